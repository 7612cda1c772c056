/**
 * Pictures of Idefics3 and SmolVLM: enlarged to whole tiles and cut, the whole picture as one more tile at the end; in
 * the text each tile has a mark of its row and column. transformers.js' own processor enlarges pixels that are no longer
 * bytes, by another filter. Left out: videos.
 */

import type { Graph } from '../../graph/ir.ts'
import type { HostTensor } from '../../graph/session.ts'
import type { Idefics3Config } from '../builders/idefics3.ts'
import { sideOf } from '../builders/vit.ts'
import type { ModelFolder } from '../folder.ts'
import { decodeImage, sizeOfImage } from './decode.ts'
import { joinVision, type Pictures, type Vision } from './pictures.ts'
import { type Cut, type ImageProcessor, pixelsOf, processorOf, requireTile, type Scale, squares } from './processor.ts'

interface Processor extends ImageProcessor {
  max_image_size?: { longest_edge?: number }
  do_image_splitting?: boolean
}

interface Settings extends Scale {
  /** Pixels on a side of a tile. */
  tile: number
  /** Pixels that a picture's longer side is first made to have. */
  longest: number
  splits: boolean
  resample: number
}

/** No picture is made larger than this, whatever the settings say. */
const MOST = 4096

const [IMAGE, FENCE, WHOLE] = ['<image>', '<fake_token_around_image>', '<global-img>']

export async function splitPictures(folder: ModelFolder): Promise<Pictures> {
  const { images: held } = await processorOf<Processor>(folder.path)
  const config = folder.config as unknown as Idefics3Config
  const tile = held.max_image_size?.longest_edge ?? 364
  requireTile(folder.path, 'max_image_size', tile, config.vision_config.image_size)
  const settings: Settings = {
    tile,
    longest: held.size?.longest_edge ?? 4 * tile,
    splits: held.do_image_splitting ?? true,
    resample: held.resample ?? 1,
    mean: held.image_mean ?? [0.5, 0.5, 0.5],
    deviation: held.image_std ?? [0.5, 0.5, 0.5],
  }
  const tokens = IMAGE.repeat((sideOf(config.vision_config) / (config.scale_factor ?? 2)) ** 2)
  const { graph } = await folder.graph('vision_encoder')
  return {
    placeholder: IMAGE,
    async sight(image) {
      return { text: textOf(gridOf(await sizeOfImage(image), settings), tokens) }
    },
    blank() {
      // Any picture would be enlarged to many tiles.
      return asked(graph, {
        dtype: 'float32',
        shape: [1, 3, tile, tile],
        data: new Float32Array(3 * tile * tile).fill(1),
      })
    },
    async vision(images) {
      const each = await Promise.all(images.map(image => tilesOf(image, settings)))
      return joinVision(each.map(pixels => asked(graph, pixels)))
    },
  }
}

interface Size {
  width: number
  height: number
}

interface Grid {
  /** Pixels, before and after rounding up to whole tiles. */
  first: Size
  whole: Size
  /** Of tiles; 0 where the picture is not cut. */
  rows: number
  columns: number
}

/** With the longer side `longest` pixels long. Python's truncations. */
function scaled({ width, height }: Size, longest: number): Size {
  const shape = width / height
  if (width >= height) return { width: longest, height: Math.trunc(longest / shape) }
  return { width: Math.trunc(longest * shape), height: longest }
}

/** As Hugging Face's processors count. Exported for tests. */
export function gridOf(size: Size, { tile, longest, splits }: Pick<Settings, 'tile' | 'longest' | 'splits'>): Grid {
  let first = scaled(size, longest)
  const shorter = size.width >= size.height ? 'height' : 'width'
  first[shorter] = Math.max(1, first[shorter] + (first[shorter] % 2)) // even
  if (Math.max(first.width, first.height) > MOST) first = scaled(first, MOST)
  first[shorter] = Math.max(1, first[shorter])
  if (!splits) return { first, whole: { width: tile, height: tile }, rows: 0, columns: 0 }
  const up = (side: number) => Math.ceil(side / tile) * tile
  const shape = first.width / first.height
  const whole =
    first.width >= first.height
      ? { width: up(first.width), height: up(Math.trunc(up(first.width) / shape)) }
      : { width: up(Math.trunc(up(first.height) * shape)), height: up(first.height) }
  const [rows, columns] = [whole.height / tile, whole.width / tile]
  return rows * columns > 1 ? { first, whole, rows, columns } : { first, whole, rows: 0, columns: 0 }
}

function textOf({ rows, columns }: Grid, tokens: string): string {
  let text = ''
  for (let row = 1; row <= rows; row++) {
    for (let column = 1; column <= columns; column++) text += `${FENCE}<row_${row}_col_${column}>${tokens}`
    text += '\n'
  }
  return `${text}${rows > 0 ? '\n' : ''}${FENCE}${WHOLE}${tokens}${FENCE}`
}

/** (tiles, 3, tile, tile): row by row, the whole picture last. */
async function tilesOf(bytes: Uint8Array, settings: Settings): Promise<HostTensor> {
  const { tile } = settings
  const image = (await decodeImage(bytes)).rgb()
  const { first, whole, rows } = gridOf(image, settings)
  const options = { resample: settings.resample as never }
  const once = await image.resize(first.width, first.height, options)
  const twice = await once.resize(whole.width, whole.height, options)
  const last: Cut = { from: rows > 0 ? await twice.resize(tile, tile, options) : twice, x: 0, y: 0 }
  return pixelsOf(rows > 0 ? [...squares(twice, tile), last] : [last], tile, settings)
}

/** As the graph takes it: exports of the Hub have a dim of pictures more, and a mask of pixels. */
function asked(graph: Graph, pixel_values: HostTensor): Vision {
  const [tiles, ...rest] = pixel_values.shape
  const shape = graph.shape('pixel_values')?.length === 5 ? [tiles, 1, ...rest] : pixel_values.shape
  const vision: Vision = { pixel_values: { ...pixel_values, shape } }
  if (!graph.inputs.includes('pixel_attention_mask')) return vision
  const mask = [tiles, 1, ...rest.slice(1)]
  const ones = new Uint8Array(mask.reduce((a, b) => a * b)).fill(1)
  return { ...vision, pixel_attention_mask: { dtype: 'bool', shape: mask, data: ones } }
}
