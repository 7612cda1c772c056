/**
 * Qwen2 / Qwen2.5 decoders (Yang et al. 2024; QwQ has the same shape): RMSNorm, rotary positions, grouped-query
 * attention with biases on q, k, v, SwiGLU. The graph follows the Hub's `decoder_model_merged`: cached keys and values
 * come in and go out, and the attention mask covers past and present. Left out: sliding windows, rope scaling.
 */

import type { Graph } from '../../graph/ir.ts'
import { Net, type Weights } from './layers.ts'

/** The part of `config.json` that the decoder needs, with Hugging Face's names. */
export interface Qwen2Config {
  vocab_size: number
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  num_key_value_heads: number
  head_dim?: number
  hidden_act: string
  rms_norm_eps: number
  tie_word_embeddings?: boolean
  /** transformers 4 */
  rope_theta?: number
  /** transformers 5 */
  rope_parameters?: { rope_theta: number }
}

export const headDim = (c: Qwen2Config) => c.head_dim ?? c.hidden_size / c.num_attention_heads

/** input_ids (B, T) → inputs_embeds (B, T, D). `prefix` is what the checkpoint puts before its names. */
export function embedTokens(c: Qwen2Config, weights: Weights, prefix = ''): Graph {
  const net = new Net('embed_tokens', weights)
  const ids = net.input('input_ids', 'int64', ['batch', 'sequence'])
  net.g.output(embed(net, c, ids, prefix), 'inputs_embeds')
  return net.g
}

/**
 * inputs_embeds (B, T, D) or, with `fromIds`, input_ids (B, T); attention_mask (B, P+T); position_ids (B, T);
 * past_key_values.i.{key,value} (B, KV, P, Dh) → logits (B, T, V), present.i.{key,value} (B, KV, P+T, Dh).
 */
export function decoder(c: Qwen2Config, weights: Weights, prefix = '', fromIds = false): Graph {
  const net = new Net(fromIds ? 'model' : 'decoder_model_merged', weights)
  const { g } = net
  const first = fromIds
    ? embed(net, c, net.input('input_ids', 'int64', ['batch', 'sequence']), prefix)
    : net.input('inputs_embeds', 'float32', ['batch', 'sequence', c.hidden_size])
  const mask = net.input('attention_mask', 'int64', ['batch', 'past+sequence'])
  const positions = net.input('position_ids', 'int64', ['batch', 'sequence'])
  const cache = Array.from({ length: c.num_hidden_layers }, (_, i) =>
    ['key', 'value'].map(kind =>
      net.input(`past_key_values.${i}.${kind}`, 'float32', ['batch', c.num_key_value_heads, 'past', headDim(c)]),
    ),
  )
  const rotary = rotaryTables(net, c, positions)
  const bias = causalBias(net, mask, positions)

  let x = first // (B, T, D)
  const present: string[] = []
  for (let i = 0; i < c.num_hidden_layers; i++) {
    const name = `${prefix}model.layers.${i}`
    const normed = net.rmsNorm(x, `${name}.input_layernorm`, c.hidden_size, c.rms_norm_eps)
    const { mixed, key, value } = selfAttention(net, c, normed, `${name}.self_attn`, cache[i], rotary, bias)
    x = net.add(x, mixed)
    x = net.add(
      x,
      feedForward(net, c, net.rmsNorm(x, `${name}.post_attention_layernorm`, c.hidden_size, c.rms_norm_eps), name),
    )
    present.push(key, value)
  }
  x = net.rmsNorm(x, `${prefix}model.norm`, c.hidden_size, c.rms_norm_eps)
  const head = c.tie_word_embeddings ? `${prefix}model.embed_tokens` : `${prefix}lm_head`
  g.output(net.linear(x, head, c.hidden_size, c.vocab_size, false), 'logits')
  present.forEach((value, i) => {
    g.output(value, `present.${i >> 1}.${i % 2 ? 'value' : 'key'}`)
  })
  return g
}

function embed(net: Net, c: Qwen2Config, ids: string, prefix: string): string {
  return net.g.op('Gather', [net.weight(`${prefix}model.embed_tokens.weight`, [c.vocab_size, c.hidden_size]), ids])
}

type Rotary = { cos: string; sin: string }

/** cos and sin of position · θ^(−2i/Dh), each (B, T, 1, Dh); sin carries the sign of the half that it multiplies. */
function rotaryTables(net: Net, c: Qwen2Config, positions: string): Rotary {
  const { g } = net
  const size = headDim(c)
  const theta = c.rope_parameters?.rope_theta ?? c.rope_theta ?? 10_000
  const frequencies = Array.from({ length: size / 2 }, (_, i) => theta ** ((-2 * i) / size))
  const at = g.op('Unsqueeze', [g.op('Cast', [positions], { to: 1 }), g.ints([2, 3])]) // (B, T, 1, 1)
  const angles = g.op('Mul', [at, g.floats(frequencies, [size / 2])]) // (B, T, 1, Dh/2)
  const [cos, sin] = [g.op('Cos', [angles]), g.op('Sin', [angles])]
  return {
    cos: g.op('Concat', [cos, cos], { axis: -1 }),
    sin: g.op('Concat', [g.op('Neg', [sin]), sin], { axis: -1 }),
  }
}

/** x · cos + swap(x) · sin, the halves of each head rotated against each other (Su et al. 2021). x (B, T, H, Dh) */
function rotate(net: Net, x: string, { cos, sin }: Rotary): string {
  const { g } = net
  const [low, high] = g.many('Split', [x], 2, { axis: -1, num_outputs: 2 })
  const swapped = g.op('Concat', [high, low], { axis: -1 })
  return net.add(g.op('Mul', [x, cos]), g.op('Mul', [swapped, sin]))
}

/** 0 where a query may see a key, else a large negative number: (B, 1, T, 1, P+T). */
function causalBias(net: Net, mask: string, positions: string): string {
  const { g } = net
  const length = g.op('Shape', [positions], { start: 1, end: 2 })
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
  c: Qwen2Config,
  x: string,
  name: string,
  past: string[],
  rotary: Rotary,
  bias: string,
) {
  const { g } = net
  const [heads, kvHeads, size] = [c.num_attention_heads, c.num_key_value_heads, headDim(c)]
  const project = (kind: string, count: number) =>
    net.reshape(net.linear(x, `${name}.${kind}_proj`, c.hidden_size, count * size), [0, 0, count, size]) // (B, T, H, Dh)
  const queriesAndKeys = rotate(net, g.op('Concat', [project('q', heads), project('k', kvHeads)], { axis: 2 }), rotary)
  const [q, k] = g.many('Split', [queriesAndKeys, g.ints([heads, kvHeads])], 2, { axis: 2 })
  const headsFirst = (y: string) => net.transpose(y, [0, 2, 1, 3]) // (B, KV, T, Dh)
  const key = g.op('Concat', [past[0], headsFirst(k)], { axis: 2 }) // (B, KV, P+T, Dh)
  const value = g.op('Concat', [past[1], headsFirst(project('v', kvHeads))], { axis: 2 })
  const mixed = net.attention(q, key, value, heads, kvHeads, size, bias)
  return { mixed: net.linear(mixed, `${name}.o_proj`, heads * size, c.hidden_size, false), key, value }
}

function feedForward(net: Net, c: Qwen2Config, x: string, name: string): string {
  const [wide, narrow] = [c.intermediate_size, c.hidden_size]
  const gate = net.activation(net.linear(x, `${name}.mlp.gate_proj`, narrow, wide, false), c.hidden_act)
  const up = net.linear(x, `${name}.mlp.up_proj`, narrow, wide, false)
  return net.linear(net.g.op('Mul', [gate, up]), `${name}.mlp.down_proj`, wide, narrow, false)
}
