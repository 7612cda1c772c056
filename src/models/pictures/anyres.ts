/**
 * Pictures of LLaVA-OneVision (anyres): the whole picture as one tile, then the picture in the resolution that suits it
 * best, cut into tiles. Features that saw nothing but padding are left out, each row of features ends in a newline, and
 * a grid of too many is shrunk. Of several pictures in a prompt each is one tile, as in Hugging Face's newer processors.
 * Folders whose graph takes pixels alone (the Hub's exports) get the one tile that transformers.js makes. Left out: videos.
 */

import { UserError } from '../../errors.ts'
import type { LlavaConfig } from '../builders/llava.ts'
import { sideOf } from '../builders/vit.ts'
import type { ModelFolder } from '../folder.ts'
import { decodeImage, sizeOfImage } from './decode.ts'
import { fixedPictures } from './fixed.ts'
import { featuresOf, firstTile, gridOf, type Layout, type Parts, type Size } from './grid.ts'
import { joinVision, type Pictures, type Vision } from './pictures.ts'
import { type Cut, type ImageProcessor, pixelsOf, processorOf, requireTile, type Scale, squares } from './processor.ts'
import { type Bytes, resampled } from './resample.ts'

interface Processor extends ImageProcessor {
  /** Heights and widths. */
  image_grid_pinpoints?: [number, number][]
}

interface Settings extends Scale, Layout {
  resample: number
}

/** CLIP's. */
const [MEAN, DEVIATION] = [
  [0.48145466, 0.4578275, 0.40821073],
  [0.26862954, 0.26130258, 0.27577711],
]

export async function anyresPictures(folder: ModelFolder): Promise<Pictures> {
  const { graph } = await folder.graph('vision_encoder')
  const fixed = await fixedPictures(folder)
  if (!graph.inputs.includes('feature_rows')) return fixed
  const settings = await settingsOf(folder)
  const { placeholder } = fixed
  return {
    placeholder,
    async sight(image, among) {
      const grid = among.length === 1 ? gridOf(await sizeOfImage(image), settings) : undefined
      return { text: placeholder.repeat(settings.side ** 2 + (grid ? grid.height * (grid.width + 1) : 1)) }
    },
    async vision(images) {
      const each = images.map(image => (images.length === 1 ? cutUp(image, settings) : squared(image, settings)))
      return joinVision(await Promise.all(each))
    },
  }
}

async function settingsOf({ path, config }: ModelFolder): Promise<Settings> {
  const { images: held } = await processorOf<Processor>(path)
  const c = config as unknown as LlavaConfig & Processor & { vision_aspect_ratio?: string }
  const tile = held.size?.height ?? held.size?.shortest_edge ?? 384
  requireTile(path, 'size', tile, c.vision_config.image_size)
  const ratio = c.vision_aspect_ratio ?? 'anyres_max_9'
  const most = Number(/^anyres_max_(\d+)$/.exec(ratio)?.[1])
  if (!(most > 0)) {
    throw new UserError(`${path}: config.json: vision_aspect_ratio: expected anyres_max_ and a number, got ${ratio}`)
  }
  const usual = Array.from({ length: 36 }, (_, i) => [tile * (1 + Math.floor(i / 6)), tile * (1 + (i % 6))])
  const points = held.image_grid_pinpoints ?? c.image_grid_pinpoints ?? usual
  return {
    tile,
    side: sideOf(c.vision_config),
    points: points.map(([height, width]) => ({ height, width })),
    most,
    resample: held.resample ?? 3,
    mean: held.image_mean ?? MEAN,
    deviation: held.image_std ?? DEVIATION,
  }
}

/** What the vision graph takes beside pixels: see builders/onevision.ts. */
function packed(features: Parts[], tiles: number): Vision {
  const [rows, weights] = [new BigInt64Array(features.length * 4), new Float32Array(features.length * 4)]
  features.forEach((parts, i) => {
    parts.forEach(([row, weight], k) => {
      rows[i * 4 + k] = BigInt(row)
      weights[i * 4 + k] = weight
    })
  })
  const last = new BigInt64Array(features.length)
  last[features.length - 1] = BigInt(tiles)
  return {
    feature_rows: { dtype: 'int64', shape: [features.length, 4], data: rows },
    feature_weights: { dtype: 'float32', shape: [features.length, 4], data: weights },
    feature_tiles: { dtype: 'int64', shape: [features.length], data: last },
  }
}

/** A prompt's only picture. */
async function cutUp(bytes: Uint8Array, s: Settings): Promise<Vision> {
  const image = (await decodeImage(bytes)).rgb() as Bytes
  const grid = gridOf(image, s)
  const { point } = grid
  const [across, down] = [point.width / image.width, point.height / image.height]
  const size: Size =
    across < down
      ? { width: point.width, height: Math.min(Math.ceil(image.height * across), point.height) }
      : { width: Math.min(Math.ceil(image.width * down), point.width), height: point.height }
  const tiles: Cut[] = [
    { from: resized(image, { width: s.tile, height: s.tile }, s), x: 0, y: 0 },
    ...squares(framed(resized(image, size, s), point, [0, 0, 0]), s.tile),
  ]
  return { pixel_values: pixelsOf(tiles, s.tile, s), ...packed(featuresOf(grid, s), tiles.length) }
}

/** One of several pictures: made square by bars of the mean colour. */
async function squared(bytes: Uint8Array, s: Settings): Promise<Vision> {
  const image = (await decodeImage(bytes)).rgb() as Bytes
  const side = Math.max(image.width, image.height)
  const colour = s.mean.map(x => Math.trunc(x * 255))
  const square = framed(image, { width: side, height: side }, colour)
  const from = resized(square, { width: s.tile, height: s.tile }, s)
  return { pixel_values: pixelsOf([{ from, x: 0, y: 0 }], s.tile, s), ...packed([...firstTile(s.side), []], 1) }
}

function resized(image: Bytes, { width, height }: Size, { resample }: Settings): Bytes {
  const made = resampled(image, width, height, resample)
  if (made) return made
  throw new UserError(`preprocessor_config.json: resample: expected 1, 2, 3 or 4, got ${resample}`)
}

/** In the middle of a larger picture of one colour. */
function framed(image: Bytes, { width, height }: Size, colour: number[]): Bytes {
  const data = new Uint8ClampedArray(width * height * 3)
  for (let i = 0; i < data.length; i++) data[i] = colour[i % 3]
  const [top, left] = [Math.floor((height - image.height) / 2), Math.floor((width - image.width) / 2)]
  for (let y = 0; y < image.height; y++) {
    const line = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3)
    data.set(line, ((top + y) * width + left) * 3)
  }
  return { data, width, height, channels: 3 }
}
