/**
 * Prompts to caches, as one graph. It covers a prompt without its last token: that one is the first input of the
 * burst, so logits are needed nowhere but there and the head is pruned away here.
 */

import { Graph } from '../graph/ir.ts'
import { prune } from '../graph/prune.ts'
import { positionAxes } from '../models/pictures/pictures.ts'
import { cacheNames, forward, type Parts } from './forward.ts'

/**
 * input_ids, attention_mask, position_ids (B, T) (or (axes, B, T), as the decoder has them), left-padded; with `images`
 * also the vision graph's inputs, the pictures of all rows in order → present.i.{key,value} (B, KV, T, Dh).
 */
export function buildPrefill(parts: Parts, images: boolean): Graph {
  const g = new Graph('prefill')
  const ids = g.input('input_ids', 'int64', ['batch', 'sequence'])
  const mask = g.input('attention_mask', 'int64', ['batch', 'sequence'])
  const axes = positionAxes(parts.decoder)
  const positions = g.input('position_ids', 'int64', axes ? [axes, 'batch', 'sequence'] : ['batch', 'sequence'])
  const { vision } = parts
  // Pictures come in single precision, whatever the tower computes in.
  const dtypeOf = (name: string) => (vision?.type(name).dtype === 'float16' ? 'float32' : vision!.type(name).dtype)
  const seen = images && vision ? vision.inputs.map(name => g.input(name, dtypeOf(name), vision.shape(name)!)) : []
  const past = cacheNames(parts.decoder).map(name => emptyCache(g, parts.decoder, name, ids))
  const { present } = forward(g, parts, { ids, mask, positions, past, seen })
  present.forEach((value, i) => {
    g.output(value, presentOf(i))
  })
  prune(g)
  return g
}

export const presentOf = (i: number) => `present.${i >> 1}.${i % 2 ? 'value' : 'key'}`
export const pastOf = (i: number) => `past.${i >> 1}.${i % 2 ? 'value' : 'key'}`

/** (B, KV, 0, Dh), B being the first dim of `like`. */
export function emptyCache(g: Graph, decoder: Graph, name: string, like: string): string {
  const { dtype, shape } = decoder.type(name)
  const batch = g.op('Shape', [like], { start: 0, end: 1 })
  const dims = g.op('Concat', [batch, g.ints([shape![1] as number, 0, shape![3] as number])], { axis: 0 })
  const empty = g.op('ConstantOfShape', [dims])
  return dtype === 'float32' ? empty : g.op('Cast', [empty], { to: 10 })
}
