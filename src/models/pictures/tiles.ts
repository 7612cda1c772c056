/**
 * InternVL's pictures: cut into tiles of one size on the grid whose shape is nearest the picture's, with the whole
 * picture as one more tile at the end. Both layouts of its folders are read: Hugging Face's `internvl` (settings in
 * preprocessor_config.json) and the authors' `internvl_chat` (in config.json).
 */

import type { RawImage } from '@huggingface/transformers'
import type { HostTensor } from '../../graph/session.ts'
import type { ModelFolder } from '../folder.ts'
import { decodeImage, sizeOfImage } from './decode.ts'
import { joinVision, type Pictures } from './pictures.ts'
import { type ImageProcessor, pixelsOf, processorOf, type Scale, squares } from './processor.ts'

interface Settings extends Scale {
  /** Pixels on a side. */
  tile: number
  least: number
  most: number
  /** Whether pictures are cut at all, and whether the whole picture comes after its tiles. */
  cuts: boolean
  thumbnail: boolean
  /** Image tokens a tile. */
  tokens: number
}

/** ImageNet's, which the authors' own code has fixed. */
const [MEAN, DEVIATION] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
]

/** What surrounds and what fills a picture's place in the text. */
const [START, CONTEXT, END] = ['<img>', '<IMG_CONTEXT>', '</img>']

export async function tiledPictures(folder: ModelFolder): Promise<Pictures> {
  const chat = folder.config.model_type === 'internvl_chat'
  const settings = chat ? authors(folder) : await huggingFace(folder)
  return {
    placeholder: chat ? '<image>' : CONTEXT,
    ...(chat && { written: '<image>\n' }),
    async sight(image) {
      const { width, height } = await sizeOfImage(image)
      return {
        text: `${START}${CONTEXT.repeat(settings.tokens * countOf(gridOf(width, height, settings), settings))}${END}`,
      }
    },
    async vision(images) {
      const each = await Promise.all(images.map(async image => tilesOf(await decodeImage(image), settings)))
      return joinVision(each.map(pixel_values => ({ pixel_values })))
    },
  }
}

interface ChatConfig {
  vision_config: { image_size: number; patch_size: number }
  force_image_size?: number
  downsample_ratio?: number
  dynamic_image_size?: boolean
  min_dynamic_patch?: number
  max_dynamic_patch?: number
  use_thumbnail?: boolean
}

function authors({ config }: ModelFolder): Settings {
  const c = config as unknown as ChatConfig
  const tile = c.force_image_size ?? c.vision_config.image_size
  return {
    tile,
    least: c.min_dynamic_patch ?? 1,
    most: c.max_dynamic_patch ?? 12,
    cuts: c.dynamic_image_size ?? true,
    thumbnail: c.use_thumbnail ?? true,
    mean: MEAN,
    deviation: DEVIATION,
    tokens: Math.round((tile / c.vision_config.patch_size) * (c.downsample_ratio ?? 0.5)) ** 2,
  }
}

interface Processor extends ImageProcessor {
  min_patches?: number
  max_patches?: number
}

async function huggingFace({ path, config }: ModelFolder): Promise<Settings> {
  const { images: held, whole } = await processorOf<Processor, { image_seq_length?: number }>(path)
  return {
    tile: held.size?.height ?? 448,
    least: held.min_patches ?? 1,
    most: held.max_patches ?? 12,
    cuts: true, // Hugging Face's processor of InternVL asks for it, whatever the file says
    thumbnail: true,
    mean: held.image_mean ?? MEAN,
    deviation: held.image_std ?? DEVIATION,
    tokens: whole.image_seq_length ?? (config.image_seq_length as number | undefined) ?? 256,
  }
}

interface Grid {
  columns: number
  rows: number
}

/**
 * Of all grids of `least` to `most` tiles the one whose shape is nearest the picture's; of equally near ones the larger,
 * as long as its tiles have at most twice the picture's pixels.
 */
export function gridOf(
  width: number,
  height: number,
  { tile, least, most, cuts }: Omit<Settings, 'mean' | 'deviation' | 'tokens' | 'thumbnail'>,
): Grid {
  if (!cuts) return { columns: 1, rows: 1 }
  const grids: Grid[] = []
  for (let columns = 1; columns <= most; columns++)
    for (let rows = 1; rows * columns <= most; rows++) if (rows * columns >= least) grids.push({ columns, rows })
  grids.sort((a, b) => a.columns * a.rows - b.columns * b.rows)
  let best: Grid = { columns: 1, rows: 1 }
  let nearest = Number.POSITIVE_INFINITY
  for (const grid of grids) {
    const apart = Math.abs(width / height - grid.columns / grid.rows)
    const larger = apart === nearest && width * height > 0.5 * tile * tile * grid.columns * grid.rows
    if (apart < nearest || larger) best = grid
    nearest = Math.min(nearest, apart)
  }
  return best
}

const countOf = ({ columns, rows }: Grid, { thumbnail }: Settings) =>
  columns * rows + (thumbnail && columns * rows > 1 ? 1 : 0)

/** (tiles, 3, tile, tile): row by row, the whole picture last. */
async function tilesOf(image: RawImage, settings: Settings): Promise<HostTensor> {
  const { tile } = settings
  const grid = gridOf(image.width, image.height, settings)
  const colours = image.rgb()
  const cuts = squares(await colours.resize(tile * grid.columns, tile * grid.rows, { resample: 3 }), tile)
  if (countOf(grid, settings) > cuts.length)
    cuts.push({ from: await colours.resize(tile, tile, { resample: 3 }), x: 0, y: 0 })
  return pixelsOf(cuts, tile, settings)
}
