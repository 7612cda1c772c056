/**
 * From a micro-batch to the loss, out of the model folder's own graphs: vision tower → embedding → decoder → logits of
 * the positions that are learnt → weighted negative log-likelihood.
 */

import { attentionInBlocks } from '../autodiff/attention.ts'
import { seen } from '../autodiff/pictures.ts'
import { recompute, recomputeActivations } from '../autodiff/recompute.ts'
import { UserError } from '../errors.ts'
import { inline } from '../graph/inline.ts'
import type { Graph } from '../graph/ir.ts'
import { embedded, learntLogits, logprobs } from './head.ts'
import type { Micro } from './micro.ts'

/** A model folder's graphs, by file name without ending. A text-only model is `model` alone. */
export interface Parts {
  vision_encoder?: Graph
  embed_tokens?: Graph
  decoder_model_merged?: Graph
  model?: Graph
}

/** How activations are made to fit into memory. */
export interface Fit {
  /** Queries in a block of attention, given the number of heads; all are worked on at once where absent. */
  queries?: (heads: number) => number
  /** Only each layer's input is kept for the backward pass. */
  recompute?: boolean
  /** Rows in a block of the likelihood; as many as the vocabulary's size lets where absent. */
  rows?: number
  /** How many times larger blocks are than the CPU's caches like them (1). */
  room?: number
}

export interface Likelihood {
  loss: string
  logprob: string
}

/** Floats of a block's scores, all heads together, and queries that it has at least and at most. */
const [SCORES, FEWEST, MOST] = [1 << 23, 32, 256]

/** Sequences up to this length go through attention at once. */
const SHORT = 256

/** What suits a device: a GPU wants large products. */
export const roomOf = (device: string): number => (device === 'cpu' ? 1 : 16)

/** What suits sequences of up to `length` tokens. */
export const queriesFor = (length: number, room = 1): Fit['queries'] =>
  length <= SHORT
    ? undefined
    : heads => Math.min(room * MOST, Math.max(FEWEST, Math.floor((room * SCORES) / (heads * length))))

/** Appends the forward pass to `body`. Weights are found by name on the outermost graph, or put there. */
export function forward(body: Graph, parts: Parts, micro: Micro, fit: Fit = {}): Likelihood {
  const decoder = parts.decoder_model_merged ?? parts.model
  if (!decoder) throw new Error('a model folder without decoder_model_merged or model graph')
  const { rows, length } = micro
  const shape = body.op('Concat', [rows, length], { axis: 0 })
  const positions = body.op('Range', [body.ints(0), body.op('Squeeze', [length, body.ints([0])]), body.ints(1)])
  const bindings: Record<string, string> = {
    position_ids: micro.axes ?? body.op('Expand', [positions, shape]), // (axes, B, T) or (B, T)
    // Padding stands on the right, where no real token looks: every token may be called real.
    attention_mask: body.op('Expand', [body.ints([1]), shape]), // (B, T)
    num_logits_to_keep: body.ints(0),
    learnt_positions: micro.positions,
  }
  if (decoder.inputs.includes('input_ids')) bindings.input_ids = micro.ids
  else bindings.inputs_embeds = embeddings(body, parts, micro)
  for (const name of decoder.inputs.filter(input => input.startsWith('past_key_values.'))) {
    const [, heads, , size] = decoder.shape(name) as number[]
    const empty = body.op('Concat', [rows, body.ints([heads, 0, size])], { axis: 0 })
    bindings[name] = body.op('ConstantOfShape', [empty]) // (B, KV, 0, Dh)
  }
  const policy = learntLogits(decoder)
  const made = inline(body, policy, bindings, 'policy/')
  const [logits, hidden] = policy.outputs.map(output => made[output]) as [string, string?]
  const start = bindings.inputs_embeds ?? embedded(body, micro.ids)
  const end = hidden ?? logits
  if (start && fit.queries) attentionInBlocks(body, start, end, fit.queries)
  if (start && !fit.recompute) recomputeActivations(body, start, end)
  if (fit.recompute && !(start && recompute(body, start, end)))
    throw new UserError('--recompute: no layers were found in the decoder. Leave it out')
  return likelihood(body, logits, hidden, micro, fit)
}

/** inputs_embeds (B, T, D), pictures' features in the places that the ids keep for them. */
function embeddings(body: Graph, { embed_tokens, vision_encoder }: Parts, micro: Micro): string {
  if (!embed_tokens) throw new Error('a decoder that takes inputs_embeds needs embed_tokens beside it')
  const text = inline(body, embed_tokens, { input_ids: micro.ids }, 'embed/').inputs_embeds
  if (!vision_encoder || !micro.vision || !micro.places) return text
  const [, , width] = body.shape(text)!
  const features = seen(body, vision_encoder, micro.vision)
  const flat = body.op('Reshape', [features, body.ints([-1, Number(width)])]) // (features, D)
  const count = body.op('Shape', [micro.places])
  const used = body.op('Slice', [flat, body.ints([0]), count, body.ints([0])]) // a dummy picture falls away here
  body.types.set(used, { dtype: 'float32', shape: ['P', width] })
  const at = body.op('Unsqueeze', [micro.places, body.ints([1])]) // (P, 1)
  const merged = body.op('ScatterND', [body.op('Reshape', [text, body.ints([-1, Number(width)])]), at, used])
  return body.op('Reshape', [merged, body.op('Shape', [text])])
}

/** logits (R, V) → loss Σ −w·log π(label) and logprob Σ log π(label), scalars. */
function likelihood(
  body: Graph,
  logits: string,
  hidden: string | undefined,
  { labels, weights }: Micro,
  { rows, room }: Fit,
): Likelihood {
  const each = logprobs(body, logits, hidden, labels, rows, room) // (R, 1)
  // A product, for its gradient asks for no sizes of `each`: it is known before `each` is, and one pass is enough.
  const row = body.op('Unsqueeze', [weights, body.ints([0])]) // (1, R)
  const loss = body.op('Neg', [body.op('Squeeze', [body.op('MatMul', [row, each]), body.ints([0, 1])])])
  return { loss, logprob: body.op('ReduceSum', [each], { keepdims: 0 }) }
}
