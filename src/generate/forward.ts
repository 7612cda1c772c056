/**
 * A whole model's forward pass put together from the graphs of its folder: embedding, pictures, decoder. Both the
 * prefill and the burst are this, around different inputs.
 */

import { pictureByPicture, seen as seenBy } from '../autodiff/pictures.ts'
import { UserError } from '../errors.ts'
import { inline } from '../graph/inline.ts'
import { DTYPE_CODES, type DType, type Graph } from '../graph/ir.ts'
import type { ModelFolder } from '../models/folder.ts'
import { branchOf } from '../models/foreign.ts'
import { leftPadded } from './padding.ts'

/** The graphs of a model folder, read; the signatures are those of the Hub's exports. */
export interface Parts {
  /** inputs_embeds or input_ids, attention_mask, position_ids, past_key_values.* → logits, present.* */
  decoder: Graph
  /** The same for one token after a past, where that is another graph. */
  next?: Graph
  /** input_ids (B, T) → inputs_embeds (B, T, D); absent where the decoder takes ids. */
  embed?: Graph
  /** pixel_values and whatever else (…) → image_features (N, tokens, D) or (features, D) */
  vision?: Graph
  /** The id whose embeddings are replaced by picture features, one after the other. */
  imageToken?: number
}

export async function partsOf(folder: ModelFolder): Promise<Parts> {
  const graph = async (name: string) => (await folder.graph(name)).graph
  const held = await graph(folder.graphs.at(-1)!)
  const [first, after] = [false, true].map(past => branchOf(held, past))
  const decoders = { decoder: leftPadded(first), ...(after !== first && { next: leftPadded(after) }) }
  if (folder.kind === 'lm') return decoders
  return {
    ...decoders,
    embed: await graph('embed_tokens'),
    vision: await graph('vision_encoder'),
    imageToken: folder.imageToken,
  }
}

/** A cache's tensors in the order used everywhere here: key and value of layer 0, of layer 1, … */
export const cacheNames = (decoder: Graph) => {
  const place = (name: string) => 2 * Number(name.split('.')[1]) + Number(name.endsWith('value'))
  return decoder.inputs.filter(name => name.startsWith('past_key_values.')).sort((a, b) => place(a) - place(b))
}
export const presentName = (past: string) => past.replace('past_key_values', 'present')

export interface Feeds {
  /** (B, T) */
  ids: string
  /** (B, P+T) */
  mask: string
  /** (B, T), or (axes, B, T) */
  positions: string
  /** Each (B, KV, P, Dh), in the order of `cacheNames`. */
  past: string[]
  /** The vision graph's inputs, by their own names; empty where there are no pictures. */
  seen?: string[]
}

/** Appends the forward pass to `g`. @returns logits (B, T, V) and the cache with the new tokens, (B, KV, P+T, Dh) each */
export function forward(g: Graph, parts: Parts, feeds: Feeds): { logits: string; present: string[] } {
  const names = cacheNames(parts.decoder)
  const given: Record<string, string> = {
    attention_mask: feeds.mask,
    position_ids: feeds.positions,
    num_logits_to_keep: g.ints(0),
    ...Object.fromEntries(names.map((name, i) => [name, feeds.past[i]])),
  }
  if (parts.embed) given.inputs_embeds = as(g, embedded(g, parts, feeds), parts.decoder.type('inputs_embeds').dtype)
  else given.input_ids = feeds.ids
  const bound = Object.fromEntries(parts.decoder.inputs.map(name => [name, given[name]]))
  for (const [name, value] of Object.entries(bound)) {
    if (!value) throw new UserError(`decoder graph: expected inputs that we know, as ${Object.keys(given).slice(0, 3).join(', ')}; got ${name}`) // biome-ignore format: one thought
  }
  const made = inline(g, parts.decoder, bound, 'decoder/')
  return { logits: made.logits, present: names.map(name => made[presentName(name)]) }
}

function embedded(g: Graph, parts: Parts, { ids, seen = [] }: Feeds): string {
  const { inputs_embeds } = inline(g, parts.embed!, { input_ids: ids }, 'embed/')
  if (seen.length === 0 || !parts.vision) return inputs_embeds
  const { vision } = parts
  const given = Object.fromEntries(seen.map(name => [name, as(g, name, vision.type(name).dtype)]))
  const features = seenBy(g, vision, given)
  pictureByPicture(g)
  return merged(g, ids, inputs_embeds, as(g, features, g.type(inputs_embeds).dtype), parts.imageToken!)
}

/** The graphs of one folder may compute in different precisions. */
const as = (g: Graph, value: string, dtype: DType) =>
  g.type(value).dtype === dtype ? value : g.op('Cast', [value], { to: DTYPE_CODES[dtype] })

/** Puts the n-th picture feature at the n-th picture token, counted row by row over the whole batch. */
function merged(g: Graph, ids: string, embeds: string, features: string, imageToken: number): string {
  const width = g.shape(features)!.at(-1)
  if (typeof width !== 'number') throw new Error('the width of image_features has to be known')
  const list = g.op('Reshape', [features, g.ints([-1, width])]) // (N·tokens, D)
  const isImage = g.op('Equal', [ids, g.ints(imageToken)]) // (B, T)
  const flat = g.op('Reshape', [g.op('Cast', [isImage], { to: 7 }), g.ints([-1])]) // (B·T)
  const nth = g.op('Sub', [g.op('CumSum', [flat, g.ints(0)]), g.ints(1)])
  const rows = g.op('Gather', [list, g.op('Max', [nth, g.ints(0)])]) // (B·T, D)
  const shaped = g.op('Reshape', [rows, g.op('Shape', [embeds])]) // (B, T, D)
  return g.op('Where', [g.op('Unsqueeze', [isImage, g.ints([2])]), shaped, embeds])
}
