/**
 * Qwen2-VL's and Qwen2.5-VL's pictures: resized so that both sides are whole blocks of patches and the pixels within
 * bounds, then cut into patches, block by block. A token's position is a frame, a row and a column. transformers.js'
 * own processor differs from Python's in how it rounds sides that lie half-way. Left out: videos.
 */

import { UserError } from '../../errors.ts'
import type { HostTensor } from '../../graph/session.ts'
import type { ModelFolder } from '../folder.ts'
import { decodeImage, sizeOfImage } from './decode.ts'
import { joinVision, type Pictures, type Sight, type Vision } from './pictures.ts'
import { type ImageProcessor, processorOf, type Scale } from './processor.ts'

interface Settings extends Scale {
  /** Pixels on a side of a patch, patches on a side of a block, frames in a patch. */
  patch: number
  merge: number
  frames: number
  /** Pixels of a picture. */
  least: number
  most: number
  resample: number
}

interface Processor extends ImageProcessor {
  min_pixels?: number
  max_pixels?: number
  patch_size?: number
  merge_size?: number
  temporal_patch_size?: number
}

/** CLIP's. */
const [MEAN, DEVIATION] = [
  [0.48145466, 0.4578275, 0.40821073],
  [0.26862954, 0.26130258, 0.27577711],
]

async function settingsOf(path: string): Promise<Settings> {
  const { images: held } = await processorOf<Processor>(path)
  return {
    patch: held.patch_size ?? 14,
    merge: held.merge_size ?? 2,
    frames: held.temporal_patch_size ?? 2,
    least: held.min_pixels ?? held.size?.shortest_edge ?? 56 * 56,
    most: held.max_pixels ?? held.size?.longest_edge ?? 28 * 28 * 1280,
    resample: held.resample ?? 3,
    mean: held.image_mean ?? MEAN,
    deviation: held.image_std ?? DEVIATION,
  }
}

export async function patchPictures(folder: ModelFolder): Promise<Pictures> {
  const settings = await settingsOf(folder.path)
  const { patch, merge } = settings
  const token = folder.imageToken!
  const pad = '<|image_pad|>'
  return {
    placeholder: pad,
    async sight(image) {
      const { width, height } = fitted(await sizeOfImage(image), settings)
      const grid: Sight['grid'] = [1, height / patch, width / patch]
      return { text: pad.repeat((grid[1] * grid[2]) / merge ** 2), grid }
    },
    async vision(images) {
      const { inputs } = (await folder.graph('vision_encoder')).graph
      const grids = inputs.find(name => name.endsWith('grid_thw'))!
      return joinVision(await Promise.all(images.map(image => patchesOf(image, settings, grids))))
    },
    positions: (ids, sights) => positionsOf(ids, sights, token, merge),
  }
}

interface Size {
  width: number
  height: number
}

/** Python's: half-way goes to the even. */
function round(x: number): number {
  const whole = Math.floor(x)
  if (x - whole !== 0.5) return Math.round(x)
  return whole % 2 === 0 ? whole : whole + 1
}

/**
 * The size nearest a picture's whose sides are whole blocks and which has `least` to `most` pixels.
 *
 * @throws UserError where one side is over 200 times the other
 */
export function fitted({ width, height }: Size, s: Pick<Settings, 'patch' | 'merge' | 'least' | 'most'>): Size {
  const block = s.patch * s.merge
  if (Math.max(width, height) / Math.min(width, height) > 200) {
    throw new UserError(`picture: expected one side to be at most 200 times the other, got ${width} × ${height} pixels`)
  }
  const sides = (by: (side: number) => number): Size => ({ width: by(width) * block, height: by(height) * block })
  const near = sides(side => round(side / block))
  const pixels = near.width * near.height
  if (pixels > s.most) {
    const shrink = Math.sqrt((height * width) / s.most)
    return sides(side => Math.max(1, Math.floor(side / shrink / block)))
  }
  if (pixels >= s.least) return near
  const grow = Math.sqrt(s.least / (height * width))
  return sides(side => Math.ceil((side * grow) / block))
}

/** pixel_values (patches, 3·frames·P·P), each patch once for each frame, and the grid (1, 3) of patches. */
async function patchesOf(bytes: Uint8Array, s: Settings, grids: string): Promise<Vision> {
  const image = (await decodeImage(bytes)).rgb()
  const { width, height } = fitted(image, s)
  const { data } = await image.resize(width, height, { resample: s.resample as never })
  const [rows, columns] = [height / s.patch, width / s.patch]
  const depth = 3 * s.frames * s.patch ** 2
  const values = new Float32Array(rows * columns * depth)
  let at = 0
  for (let place = 0; place < rows * columns; place++) {
    const block = Math.floor(place / s.merge ** 2)
    const [down, across] = [Math.floor(block / (columns / s.merge)), block % (columns / s.merge)]
    const y = (down * s.merge + Math.floor((place % s.merge ** 2) / s.merge)) * s.patch
    const x = (across * s.merge + (place % s.merge)) * s.patch
    for (let channel = 0; channel < 3; channel++)
      for (let frame = 0; frame < s.frames; frame++)
        for (let i = 0; i < s.patch; i++)
          for (let j = 0; j < s.patch; j++)
            values[at++] =
              (data[((y + i) * width + x + j) * 3 + channel] / 255 - s.mean[channel]) / s.deviation[channel]
  }
  const grid: HostTensor = { dtype: 'int64', shape: [1, 3], data: BigInt64Array.from([1, rows, columns], BigInt) }
  return { pixel_values: { dtype: 'float32', shape: [rows * columns, depth], data: values }, [grids]: grid }
}

/**
 * Text counts on by one on all three axes; a picture's tokens span rows and columns from where it begins, and what
 * follows begins behind the longer of the two.
 */
function positionsOf(ids: number[], sights: Sight[], token: number, merge: number): number[][] {
  const axes: number[][] = [[], [], []]
  const push = (...position: number[]) => {
    for (const [axis, value] of position.entries()) axes[axis].push(value)
  }
  let [next, seen] = [0, 0]
  for (let t = 0; t < ids.length; ) {
    if (ids[t] !== token) {
      push(next, next, next)
      next++
      t++
      continue
    }
    const [, rows, columns] = sights[seen++].grid!.map(patches => patches / merge)
    for (let i = 0; i < rows * columns; i++) push(next, next + Math.floor(i / columns), next + (i % columns))
    next += Math.max(rows, columns)
    t += rows * columns
  }
  return axes
}
