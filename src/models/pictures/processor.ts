/** What the several kinds of processors share: their settings as folders have them, and pixels cut out of pictures. */

import { UserError } from '../../errors.ts'
import type { HostTensor } from '../../graph/session.ts'
import { readJson } from '../config.ts'
import type { Bytes } from './resample.ts'

/** Settings of a processor of pictures, with Hugging Face's names. */
export interface ImageProcessor {
  image_processor_type?: string
  size?: { shortest_edge?: number; longest_edge?: number; height?: number; width?: number }
  /** Pillow's number of a filter. */
  resample?: number
  image_mean?: number[]
  image_std?: number[]
}

/** The settings, of pictures and of the text around them. Since transformers 5 both may be in processor_config.json. */
async function settingsOf<Images extends ImageProcessor, Text>(path: string) {
  type Whole = Text & { image_processor?: Images }
  const whole = (await readJson<Whole>(path, 'processor_config.json')) ?? ({} as Whole)
  return { images: (await readJson<Images>(path, 'preprocessor_config.json')) ?? whole.image_processor, whole }
}

export const hasProcessor = async (path: string) => (await settingsOf(path)).images !== undefined

/** The settings of pictures and those of the text around them. @throws UserError where the folder has none of pictures */
export async function processorOf<Images extends ImageProcessor, Text = object>(path: string) {
  const { images, whole } = await settingsOf<Images, Text>(path)
  if (images) return { images, whole: whole as Text }
  throw new UserError(`${path}: expected preprocessor_config.json in the folder of a vision-language model`)
}

/** Tiles have to be of the tower's size. @throws UserError where they are not */
export function requireTile(path: string, field: string, tile: number, size: number | number[]): void {
  if ([size].flat().every(side => side === tile)) return
  throw new UserError(`${path}: ${field} of its processor: expected vision_config.image_size, ${size}, got ${tile}`)
}

/** What is taken off a colour, in [0, 1], and what the rest is divided by. */
export interface Scale {
  mean: number[]
  deviation: number[]
}

/** A square of a picture of three channels, by its corner. */
export interface Cut {
  from: Bytes
  x: number
  y: number
}

/** @returns (cuts, 3, side, side), row by row */
export function pixelsOf(cuts: Cut[], side: number, { mean, deviation }: Scale): HostTensor {
  const data = new Float32Array(cuts.length * 3 * side * side)
  let at = 0
  for (const { from, x, y } of cuts)
    for (let channel = 0; channel < 3; channel++)
      for (let i = 0; i < side; i++)
        for (let j = 0; j < side; j++) {
          const value = from.data[((y + i) * from.width + x + j) * 3 + channel] / 255
          data[at++] = (value - mean[channel]) / deviation[channel]
        }
  return { dtype: 'float32', shape: [cuts.length, 3, side, side], data }
}

/** A picture cut into whole squares, row by row. */
export function squares(from: Bytes, side: number): Cut[] {
  const columns = from.width / side
  return Array.from({ length: (columns * from.height) / side }, (_, i) => ({
    from,
    x: (i % columns) * side,
    y: Math.floor(i / columns) * side,
  }))
}
