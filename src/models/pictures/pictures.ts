/**
 * What a model's processor makes of pictures, whichever architecture it is: text that stands for a picture in the
 * prompt, and the inputs of the vision graph. One small file a kind of processor.
 */

import { type Graph, sizeOf } from '../../graph/ir.ts'
import type { HostTensor } from '../../graph/session.ts'
import type { ModelFolder } from '../folder.ts'
import { anyresPictures } from './anyres.ts'
import { fixedPictures } from './fixed.ts'
import { patchPictures } from './patches.ts'
import { splitPictures } from './split.ts'
import { tiledPictures } from './tiles.ts'

/** Inputs of the vision graph by name, of one picture or more: all are laid end to end on their first dim. */
export type Vision = Record<string, HostTensor>

/** How a picture appears in a prompt. */
export interface Sight {
  /** Stands in the place of the placeholder: as many image tokens as the vision graph makes features, and marks. */
  text: string
  /** Frames, rows and columns of patches, where positions depend on them. */
  grid?: [frames: number, rows: number, columns: number]
}

export interface Pictures {
  /** What the chat template writes for a picture. */
  placeholder: string
  /** Where the template knows of text alone: what a turn's text begins with, once a picture. */
  written?: string
  /**
   * @param among all pictures of the conversation, this one included
   * @throws UserError where the picture cannot be decoded
   */
  sight(image: Uint8Array, among: Uint8Array[]): Promise<Sight>
  /** What stands in where there is no picture; absent: a white one will do. */
  blank?(): Vision
  /** @param images encoded pictures, one at least, in the order of the text */
  vision(images: Uint8Array[]): Promise<Vision>
  /** Position ids (axes, T) of a prompt whose pictures are `sights`, where they are not 0, 1, …, T-1. */
  positions?(ids: number[], sights: Sight[]): number[][]
}

/** Kinds of processors by `model_type`. */
const KINDS: Record<string, (folder: ModelFolder) => Promise<Pictures>> = {
  llava: fixedPictures,
  llava_onevision: anyresPictures,
  idefics3: splitPictures,
  smolvlm: splitPictures,
  internvl: tiledPictures,
  internvl_chat: tiledPictures,
  qwen2_vl: patchPictures,
  qwen2_5_vl: patchPictures,
}

/** The processor of a vision-language model's folder. Throws a UserError where its files are not there. */
export function openPictures(folder: ModelFolder): Promise<Pictures> {
  return (KINDS[folder.config.model_type] ?? fixedPictures)(folder)
}

/** How many position ids a token has: undefined for one, in a (B, T) array; else the first dim of (axes, B, T). */
export function positionAxes(decoder: Graph): number | undefined {
  const shape = decoder.inputs.includes('position_ids') ? decoder.shape('position_ids') : undefined
  return shape?.length === 3 ? Number(shape[0]) : undefined
}

/** Lays the inputs of several pictures end to end. */
export function joinVision(parts: Vision[]): Vision {
  if (parts.length === 1) return parts[0]
  const join = (name: string): HostTensor => {
    const tensors = parts.map(part => part[name])
    const [{ dtype, shape, data: first }] = tensors
    const count = tensors.reduce((sum, tensor) => sum + tensor.shape[0], 0)
    const whole = [count, ...shape.slice(1)]
    const data = new (first.constructor as new (length: number) => typeof first)(sizeOf(whole))
    let at = 0
    for (const tensor of tensors) {
      data.set(tensor.data as never, at)
      at += tensor.data.length
    }
    return { dtype, shape: whole, data }
  }
  return Object.fromEntries(Object.keys(parts[0]).map(name => [name, join(name)]))
}
