/**
 * ONNX Runtime's fused attentions in primitives. A cache may come in; rows of a batch are then taken to have the same
 * number of cached tokens, and padding to stand on the right, as in training. Left out: attention sinks, smoothed
 * softmax, beam search's buffers, packed batches.
 */

import type { Decomposition } from '../decompose.ts'
import type { Writer } from '../writer.ts'
import { counted, rotate } from './rotary.ts'

export const ATTENTION: Record<string, Decomposition> = {
  GroupQueryAttention: groupQuery,
  MultiHeadAttention: multiHead,
  Attention: selfAttention,
}

/**
 * query (B, T, H·D), key and value (B, T, KV·D), or all three packed in query; past (B, KV, P, D); seqlens_k, total
 * length; cos and sin tables; position_ids; bias (B|1, H|1, T, S) → output (B, T, H·D), present key and value.
 */
function groupQuery(w: Writer): string[] {
  const [query, keyInput, valueInput, pastKey, pastValue, , , cos, sin, positionIds, bias, sink] = w.x
  if (sink || w.int('smooth_softmax', 0) === 1) w.refuse('attention sinks')
  const [heads, kvHeads] = [w.int('num_heads', 0), w.int('kv_num_heads', 0)]
  const packed = !keyInput
  const width = w.graph.shape(query)?.at(-1)
  if (typeof width !== 'number') return w.refuse('attention of unknown width')
  const size = width / (packed ? heads + 2 * kvHeads : heads)
  const parts = packed
    ? w.many('Split', [query, w.graph.ints([heads, kvHeads, kvHeads].map(n => n * size))], 3, { axis: -1 })
    : [query, keyInput, valueInput]
  let [q, k, v] = parts.map((part, i) => w.reshape(part, [0, 0, i ? kvHeads : heads, size])) // (B, T, H, D)
  const length = w.op('Shape', [query], { start: 1, end: 2 })
  const past = pastKey ? w.op('Shape', [pastKey], { start: 2, end: 3 }) : w.graph.ints([0])
  const positions = w.add(counted(w, length), past) // (T,)
  if (w.int('do_rotary', 0) === 1) {
    const turn = (x: string) => rotate(w, x, positionIds || positions, cos, sin, w.int('rotary_interleaved', 0) === 1)
    ;[q, k] = [turn(q), turn(k)]
  }
  const [key, value] = [cached(w, pastKey, headsFirst(w, k)), cached(w, pastValue, headsFirst(w, v))]
  const mask = causal(w, positions, key, w.int('local_window_size', -1))
  const scale = w.float('scale', 0) || 1 / Math.sqrt(size)
  const settings = { heads, kvHeads, scale, softcap: w.float('softcap', 0) }
  return [attend(w, q, key, value, settings, [mask, ...(bias ? [bias] : [])]), key, value]
}

/**
 * query (B, T, H·D); key, value (B, S, H·D) or (B, H, S, D); bias (3·H·D); key_padding_mask (B, S), 1 = real;
 * attention_bias (B|1, H|1, T, S); past (B, H, P, D) → output (B, T, H·D), present key and value.
 */
function multiHead(w: Writer): string[] {
  const [query, keyInput, valueInput, bias, padding, scoreBias, pastKey, pastValue] = w.x
  if (!keyInput || !valueInput || w.graph.rank(keyInput) === 5) w.refuse('packed MultiHeadAttention')
  const heads = w.int('num_heads', 0)
  const given = [query, keyInput, valueInput]
  const widths = given.map(x => w.graph.shape(x)?.at(-1))
  const size = Number(widths[0]) / heads
  if (!Number.isInteger(size)) w.refuse('attention of unknown width')
  const biases = bias ? w.many('Split', [bias, w.graph.ints(widths.map(Number))], 3, { axis: 0 }) : []
  const [q, k, v] = given.map((x, i) => {
    if (w.graph.rank(x) === 4) return x // (B, H, S, D), as cross attention gives them
    const split = w.reshape(biases[i] ? w.add(x, biases[i]) : x, [0, 0, heads, Number(widths[i]) / heads])
    return i ? headsFirst(w, split) : split
  })
  const [key, value] = [cached(w, pastKey, k), cached(w, pastValue, v)]
  const masks = [scoreBias, padding && paddingBias(w, padding)].filter(Boolean)
  if (w.int('unidirectional', 0) === 1) masks.push(causal(w, queryPositions(w, query, key), key, -1))
  const settings = { heads, kvHeads: heads, scale: w.float('scale', 0) || 1 / Math.sqrt(size), softcap: 0 }
  return [attend(w, q, key, value, settings, masks), key, value]
}

/** input (B, T, C), weights (C, 3·H·D), bias (3·H·D), mask (B, T), –, bias of the scores → output (B, T, H·D). */
function selfAttention(w: Writer): string[] {
  const [input, weights, bias, padding, past, scoreBias] = w.x
  if (past || w.int('do_rotary', 0) || w.list('qkv_hidden_sizes')) w.refuse('this form of Attention')
  const heads = w.int('num_heads', 0)
  const width = Number(w.graph.shape(weights)?.at(-1)) / 3
  if (!Number.isInteger(width)) w.refuse('attention of unknown width')
  const product = w.op('MatMul', [input, weights])
  const joined = bias ? w.add(product, bias) : product
  const [q, k, v] = w
    .many('Split', [joined, w.graph.ints([width, width, width])], 3, { axis: -1 })
    .map(part => w.reshape(part, [0, 0, heads, width / heads]))
  const [key, value] = [headsFirst(w, k), headsFirst(w, v)]
  const masks = [scoreBias, padding && paddingBias(w, padding)].filter(Boolean)
  if (w.int('unidirectional', 0) === 1) masks.push(causal(w, queryPositions(w, input, key), key, -1))
  const settings = { heads, kvHeads: heads, scale: w.float('scale', 0) || 1 / Math.sqrt(width / heads), softcap: 0 }
  return [attend(w, q, key, value, settings, masks)]
}

const headsFirst = (w: Writer, x: string) => w.transpose(x, [0, 2, 1, 3])
const cached = (w: Writer, past: string | undefined, x: string) => (past ? w.concat([past, x], 2) : x)

/** Where the queries stand among the keys: (T,). */
function queryPositions(w: Writer, query: string, key: string): string {
  const length = w.op('Shape', [query], { start: 1, end: 2 })
  return w.add(counted(w, length), w.sub(w.op('Shape', [key], { start: 2, end: 3 }), length))
}

/** Stands for minus infinity in a mask; two of them do not overflow, and a row that sees nothing gets no NaN. */
const hidden = (w: Writer) => w.scalar(w.graph.type(w.y).dtype === 'float16' ? -3e4 : -1e9)

/** 0 where a query may see a key, else a large negative number: (T, S). With a window, only so many keys back. */
function causal(w: Writer, positions: string, key: string, window: number): string {
  const row = w.unsqueeze(positions, 1) // (T, 1)
  const column = counted(w, w.op('Shape', [key], { start: 2, end: 3 })) // (S,)
  let seen = w.op('LessOrEqual', [column, row])
  if (window > 0) seen = w.op('And', [seen, w.op('Greater', [column, w.sub(row, w.graph.ints(window))])])
  return w.op('Where', [seen, w.scalar(0), hidden(w)])
}

/** The same for padding: (B, 1, 1, S). */
function paddingBias(w: Writer, padding: string): string {
  if (w.graph.rank(padding) !== 2) w.refuse('a padding mask that is not (batch, keys)')
  const real = w.unsqueeze(w.op('Cast', [padding], { to: 9 }), 1, 2)
  return w.op('Where', [real, w.scalar(0), w.scalar(w.float('mask_filter_value', -10_000))])
}

interface Heads {
  heads: number
  kvHeads: number
  scale: number
  softcap: number
}

/**
 * Softmax(scale · Q Kᵀ + biases) V. Keys and values are not repeated: the G query heads of a KV head are rows of one product.
 *
 * @param q (B, T, H, D), heads of a group adjacent
 * @param k (B, KV, S, D)
 * @param biases each broadcasts to (B, H, T, S)
 * @returns (B, T, H·D)
 */
function attend(w: Writer, q: string, k: string, v: string, settings: Heads, biases: string[]): string {
  const { heads, kvHeads, scale, softcap } = settings
  const { graph } = w
  const group = heads / kvHeads
  const size = Number(graph.shape(q)!.at(-1))
  const grouped = headsFirst(w, w.reshape(q, [0, 0, kvHeads, group * size])) // (B, KV, T, G·D)
  const rows = w.reshape(grouped, [0, 0, -1, size]) // (B, KV, T·G, D)
  const product = w.mul(w.op('MatMul', [rows, w.transpose(k, [0, 1, 3, 2])]), scale) // (B, KV, T·G, S)
  const capped = softcap ? w.mul(w.op('Tanh', [w.mul(product, 1 / softcap)]), softcap) : product
  const keys = w.op('Shape', [k], { start: 2, end: 3 })
  const length = w.op('Shape', [q], { start: 1, end: 2 })
  const split = w.concat([graph.ints([0, 0]), length, graph.ints([group]), keys], 0)
  const joined = w.concat([graph.ints([0, 0, -1]), keys], 0)
  const biased = biases.reduce(
    (scores, bias) => w.add(scores, perGroup(w, bias, kvHeads, group)),
    w.reshape(capped, split),
  )
  const weights = w.op('Softmax', [biases.length ? w.reshape(biased, joined) : capped], { axis: -1 })
  const valueSize = Number(graph.shape(v)!.at(-1))
  const mixed = w.reshape(w.op('MatMul', [weights, v]), [0, 0, -1, group * valueSize]) // (B, KV, T, G·D)
  return w.reshape(headsFirst(w, mixed), [0, 0, heads * valueSize])
}

/** (…, H|1, T, S) as (…, KV|1, T, G|1, S). */
function perGroup(w: Writer, bias: string, kvHeads: number, group: number): string {
  const shape = w.graph.shape(bias)!
  if (shape.length < 3 || shape.at(-3) === 1 || group === 1) return w.unsqueeze(bias, -2)
  const sizes = w.op('Shape', [bias])
  const at = (i: number) => w.op('Gather', [sizes, w.graph.ints([i])])
  const target = w.concat([at(0), w.graph.ints([kvHeads, group]), at(2), at(3)], 0)
  return w.transpose(w.reshape(bias, target), [0, 1, 3, 2, 4])
}
