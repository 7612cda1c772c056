/**
 * The decoder that most open models share (LLaMA, Touvron et al. 2023): RMSNorm, rotary positions, grouped-query
 * attention, SwiGLU. What an architecture does otherwise is in its `Traits`. The graph follows the Hub's
 * `decoder_model_merged`: cached keys and values come in and go out, the attention mask covers past and present.
 * Left out: attention within a sliding window, experts.
 */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import { Net, type Weights } from './layers.ts'
import { AXES, type RopeConfig, type Rotary, ropeOf, rotaryTables, rotate } from './rotary.ts'

/** The part of `config.json` that decoders need, with Hugging Face's names. */
export interface TextConfig extends RopeConfig {
  model_type?: string
  vocab_size: number
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  num_key_value_heads?: number
  head_dim?: number | null
  hidden_act?: string
  rms_norm_eps: number
  tie_word_embeddings?: boolean
  sliding_window?: number | null
  use_sliding_window?: boolean
  max_window_layers?: number
  layer_types?: string[] | null
}

/** How a checkpoint calls the modules of a layer, and those around the layers. */
export interface Names {
  embed: string
  attentionNorm: string
  /** Three products, or one whose rows are packed: of each KV head the queries of its group, its key, its value. */
  qkv: [string, string, string] | [string]
  out: string
  feedForwardNorm: string
  gate: string
  up: string
  down: string
  norm: string
  head: string
}

/** What makes an architecture this one and not another. */
export interface Traits {
  names: Names
  /** Which products have biases. */
  bias: { qkv: boolean; out: boolean; feedForward: boolean }
  /** Whether each head's queries and keys pass an RMSNorm before they are rotated. */
  headNorms: boolean
  /** Whether a layer rotates at all. */
  rotates: (layer: number) => boolean
  /** The rotary base, and whether the head is the embedding, where the config does not say. */
  theta: number
  tied: boolean
}

/** LLaMA's, which most others changed little. */
export const LLAMA: Traits = {
  names: {
    embed: 'embed_tokens',
    attentionNorm: 'input_layernorm',
    qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
    out: 'self_attn.o_proj',
    feedForwardNorm: 'post_attention_layernorm',
    gate: 'mlp.gate_proj',
    up: 'mlp.up_proj',
    down: 'mlp.down_proj',
    norm: 'norm',
    head: 'lm_head',
  },
  bias: { qkv: false, out: false, feedForward: false },
  headNorms: false,
  rotates: () => true,
  theta: 10_000,
  tied: false,
}

/** Where in a checkpoint the decoder stands: what comes before `layers.0.…`, and before `lm_head`. */
export interface Place {
  stem: string
  head: string
}

/** A whole causal model under a prefix: `prefix`model.layers.0.…, `prefix`lm_head. */
export const under = (prefix: string): Place => ({ stem: `${prefix}model.`, head: prefix })

export const headDim = (c: TextConfig) => c.head_dim ?? c.hidden_size / c.num_attention_heads
const kvHeadsOf = (c: TextConfig) => c.num_key_value_heads ?? c.num_attention_heads

/** input_ids (B, T) → inputs_embeds (B, T, D). */
export function embedTokens(c: TextConfig, traits: Traits, weights: Weights, place: Place): Graph {
  const net = new Net('embed_tokens', weights)
  const ids = net.input('input_ids', 'int64', ['batch', 'sequence'])
  net.output(net.embedding(ids, tableOf(traits, place), c.vocab_size, c.hidden_size), 'inputs_embeds')
  return net.g
}

const tableOf = ({ names }: Traits, { stem }: Place) => `${stem}${names.embed}.weight`

/**
 * inputs_embeds (B, T, D) or, with `fromIds`, input_ids (B, T); attention_mask (B, P+T); position_ids (B, T),
 * or (3, B, T) where the config has an mrope_section; past_key_values.i.{key,value} (B, KV, P, Dh) → logits (B, T, V), present.i.{key,value} (B, KV, P+T, Dh).
 */
export function decoder(c: TextConfig, traits: Traits, weights: Weights, place: Place, fromIds: boolean): Graph {
  refuseWindows(c)
  const { names } = traits
  const net = new Net(fromIds ? 'model' : 'decoder_model_merged', weights)
  const first = fromIds
    ? net.embedding(net.input('input_ids', 'int64', ['batch', 'sequence']), tableOf(traits, place), c.vocab_size, c.hidden_size) // biome-ignore format: one thought
    : net.input('inputs_embeds', 'float32', ['batch', 'sequence', c.hidden_size])
  const mask = net.input('attention_mask', 'int64', ['batch', 'past+sequence'])
  const rope = ropeOf(c, headDim(c), traits.theta)
  const positions = net.input('position_ids', 'int64', [...(rope.axes ? [AXES] : []), 'batch', 'sequence'])
  const cache = Array.from({ length: c.num_hidden_layers }, (_, i) =>
    ['key', 'value'].map(kind =>
      net.input(`past_key_values.${i}.${kind}`, 'float32', ['batch', kvHeadsOf(c), 'past', headDim(c)]),
    ),
  )
  const rotary = rotaryTables(net, rope, positions)
  const bias = causalBias(net, mask, first)
  const norm = (x: string, name: string) => net.rmsNorm(x, name, c.hidden_size, c.rms_norm_eps)

  let x = first // (B, T, D)
  const present: string[] = []
  for (let i = 0; i < c.num_hidden_layers; i++) {
    const name = `${place.stem}layers.${i}.`
    const normed = norm(x, `${name}${names.attentionNorm}`)
    const turned = traits.rotates(i) ? rotary : undefined
    const { mixed, key, value } = selfAttention(net, c, traits, normed, name, cache[i], turned, bias)
    x = net.add(x, mixed)
    x = net.add(x, feedForward(net, c, traits, norm(x, `${name}${names.feedForwardNorm}`), name))
    present.push(key, value)
  }
  x = norm(x, `${place.stem}${names.norm}`)
  const head = (c.tie_word_embeddings ?? traits.tied) ? `${place.stem}${names.embed}` : `${place.head}${names.head}`
  net.output(net.linear(x, head, c.hidden_size, c.vocab_size, false), 'logits')
  present.forEach((value, i) => {
    net.output(value, `present.${i >> 1}.${i % 2 ? 'value' : 'key'}`)
  })
  return net.g
}

function refuseWindows(c: TextConfig): void {
  const from = c.max_window_layers ?? 0
  const types = c.layer_types ?? Array.from({ length: c.num_hidden_layers }, (_, i) => c.use_sliding_window && i >= from ? 'sliding_attention' : 'full_attention') // biome-ignore format: one thought
  const strange = types.find(type => type !== 'full_attention' && type !== 'sliding_attention')
  if (strange) throw new UserError(`config.json: layer_types: attention of the kind ${strange} is not supported`)
  const sliding = types.includes('sliding_attention') && c.use_sliding_window !== false
  if (!sliding || !c.sliding_window || c.sliding_window >= (c.max_position_embeddings ?? Infinity)) return
  throw new UserError(
    `config.json: sliding_window ${c.sliding_window} of ${c.max_position_embeddings} positions: attention within a ` +
      'sliding window is not supported. Where all sequences are shorter, set use_sliding_window to false and leave out layer_types',
  )
}

/** 0 where a query may see a key, else a large negative number: (B, 1, T, 1, P+T). */
function causalBias(net: Net, mask: string, queries: string): string {
  const { g } = net
  const length = g.op('Shape', [queries], { start: 1, end: 2 })
  const keys = g.op('Shape', [mask], { start: 1, end: 2 })
  const scalar = (x: string) => g.op('Squeeze', [x, g.ints([0])])
  const column = g.op('Range', [g.ints(0), scalar(keys), g.ints(1)]) // (P+T)
  const row = g.op('Range', [scalar(g.op('Sub', [keys, length])), scalar(keys), g.ints(1)]) // (T): P … P+T-1
  const causal = g.op('LessOrEqual', [column, g.op('Unsqueeze', [row, g.ints([1, 2])])]) // (T, 1, P+T)
  const real = g.op('Unsqueeze', [g.op('Cast', [mask], { to: 9 }), g.ints([1, 2, 3])]) // (B, 1, 1, 1, P+T)
  return g.op('Where', [g.op('And', [real, causal]), g.scalar(0), g.scalar(-1e9)])
}

function selfAttention(
  net: Net,
  c: TextConfig,
  traits: Traits,
  x: string,
  name: string,
  past: string[],
  rotary: Rotary | undefined,
  bias: string,
) {
  const { g } = net
  const [heads, kvHeads, size] = [c.num_attention_heads, kvHeadsOf(c), headDim(c)]
  const projected = project(net, c, traits, x, name)
  const normed = (y: string, kind: string) =>
    traits.headNorms ? net.rmsNorm(y, `${name}self_attn.${kind}_norm`, size, c.rms_norm_eps) : y
  let [q, k] = [normed(projected.q, 'q'), normed(projected.k, 'k')]
  if (rotary) {
    const both = rotate(net, g.op('Concat', [q, k], { axis: 2 }), rotary)
    ;[q, k] = g.many('Split', [both, g.ints([heads, kvHeads])], 2, { axis: 2 })
  }
  const headsFirst = (y: string) => net.transpose(y, [0, 2, 1, 3]) // (B, KV, T, Dh)
  const key = g.op('Concat', [past[0], headsFirst(k)], { axis: 2 }) // (B, KV, P+T, Dh)
  const value = g.op('Concat', [past[1], headsFirst(projected.v)], { axis: 2 })
  const mixed = net.attention(q, key, value, heads, kvHeads, size, bias)
  const out = `${name}${traits.names.out}`
  return { mixed: net.linear(mixed, out, heads * size, c.hidden_size, traits.bias.out), key, value }
}

/** x (B, T, D) → q (B, T, H, Dh), k and v (B, T, KV, Dh) */
function project(net: Net, c: TextConfig, { names, bias }: Traits, x: string, name: string) {
  const [heads, kvHeads, size] = [c.num_attention_heads, kvHeadsOf(c), headDim(c)]
  const product = (module: string, rows: number) => net.linear(x, `${name}${module}`, c.hidden_size, rows, bias.qkv)
  const [first, second, third] = names.qkv
  if (second && third) {
    const [q, k, v] = names.qkv.map((module, i) => {
      const count = i === 0 ? heads : kvHeads
      return net.reshape(product(module, count * size), [0, 0, count, size])
    })
    return { q, k, v }
  }
  const group = heads / kvHeads
  const packed = net.reshape(product(first, (heads + 2 * kvHeads) * size), [0, 0, kvHeads, group + 2, size])
  const [q, k, v] = net.g.many('Split', [packed, net.g.ints([group, 1, 1])], 3, { axis: 3 })
  const flat = (y: string, count: number) => net.reshape(y, [0, 0, count, size])
  return { q: flat(q, heads), k: flat(k, kvHeads), v: flat(v, kvHeads) }
}

function feedForward(net: Net, c: TextConfig, { names, bias }: Traits, x: string, name: string): string {
  const [wide, narrow] = [c.intermediate_size, c.hidden_size]
  const gated = net.linear(x, `${name}${names.gate}`, narrow, wide, bias.feedForward)
  const up = net.linear(x, `${name}${names.up}`, narrow, wide, bias.feedForward)
  const hidden = net.g.op('Mul', [net.activation(gated, c.hidden_act ?? 'silu'), up])
  return net.linear(hidden, `${name}${names.down}`, wide, narrow, bias.feedForward)
}
