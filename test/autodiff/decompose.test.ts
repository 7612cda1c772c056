/** Every decomposition gives what the fused operator gives, and can be differentiated. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DECOMPOSITIONS, decompose } from '../../src/autodiff/decompose.ts'
import { gradients } from '../../src/autodiff/reverse.ts'
import { type Attribute, float, Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { any, drawn, type Input, ints } from './check.ts'

const test = suite('autodiff: decompose')

interface Case {
  /** Null: an optional input that is absent. */
  inputs: (Input | HostTensor | null)[]
  attrs?: Record<string, Attribute>
  /** Which outputs are compared; by default the first. */
  outputs?: number[]
  domain?: string
}

const [B, T, H, D] = [2, 5, 4, 16]
const int32 = (...values: number[]): HostTensor => ({
  dtype: 'int32',
  shape: [values.length],
  data: Int32Array.from(values),
})
const total = (n: number): HostTensor => ({ dtype: 'int32', shape: [], data: Int32Array.of(n) })
const padding: HostTensor = { dtype: 'int32', shape: [B, T], data: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 0, 0) }
/** cos and sin (12, half) of position · 0.3^i */
const tables = (half: number) =>
  [Math.cos, Math.sin].map(f => ({
    dtype: 'float32' as const,
    shape: [12, half],
    data: Float32Array.from({ length: 12 * half }, (_, i) => f(Math.floor(i / half) * 0.3 ** (i % half))),
  }))
const grouped = { num_heads: H, kv_num_heads: 2 }
const qkv = (kv: number) => [any(B, T, H * D), any(B, T, kv * D), any(B, T, kv * D)]
const lengths = [int32(T - 1, T - 1), total(T)]
const positions = ints([0, 1, 2, 3, 4, 3, 4, 5, 6, 7], [B, T])

const CASES: Record<string, Case[]> = {
  RMSNormalization: [{ inputs: [any(B, T, 8), any(8)], attrs: { epsilon: float(1e-4) }, domain: '' }],
  SkipSimplifiedLayerNormalization: [
    { inputs: [any(B, T, 8), any(B, T, 8), any(8)], attrs: { epsilon: float(1e-4) }, outputs: [0, 3] },
    { inputs: [any(B, T, 8), any(B, T, 8), any(8), any(8)], outputs: [0, 3] },
  ],
  SkipLayerNormalization: [
    { inputs: [any(B, T, 8), any(B, T, 8), any(8)], attrs: { epsilon: float(1e-4) }, outputs: [0, 3] },
    { inputs: [any(B, T, 8), any(B, T, 8), any(8), any(8), any(8)], outputs: [0, 3] },
  ],
  QuickGelu: [{ inputs: [any(B, 8)] }, { inputs: [any(B, 8)], attrs: { alpha: float(1) } }],
  FastGelu: [{ inputs: [any(B, 8)] }, { inputs: [any(B, 8), any(8)] }],
  BiasGelu: [{ inputs: [any(B, 8), any(8)] }],
  RotaryEmbedding: [0, 1].flatMap((interleaved): Case[] => [
    { inputs: [any(B, T, H * D), positions, ...tables(D / 2)], attrs: { interleaved } },
    { inputs: [any(B, H, T, D), positions, ...tables(D / 2)], attrs: { interleaved } },
    { inputs: [any(B, T, H * D), ints([2]), ...tables(D / 2)], attrs: { interleaved } },
    { inputs: [any(B, T, H * D), positions, ...tables(2)], attrs: { interleaved, num_heads: H, rotary_embedding_dim: 4 } },
  ]),
  MRotaryEmbedding: [0, 1].map((interleaved): Case => ({
    inputs: [any(B, T, H * D), ints(Array.from({ length: 3 * B * T }, (_, i) => (7 * i) % 12), [3, B, T]), ...tables(D / 2)],
    attrs: { interleaved, num_heads: H, mrope_section: [2, 3, 3] },
  })),
  MultiHeadAttention: [
    { inputs: qkv(H), attrs: { num_heads: H } },
    { inputs: [any(B, T, H * D), any(B, 3, H * D), any(B, 3, H * D), any(3 * H * D)], attrs: { num_heads: H, scale: float(0.5) } },
    { inputs: [...qkv(H), null, padding, any(B, 1, T, T)], attrs: { num_heads: H } },
    { inputs: [...qkv(H), null, null, any(1, H, T, T)], attrs: { num_heads: H, unidirectional: 1 } },
    { inputs: [...qkv(H), null, null, null, any(B, H, 3, D), any(B, H, 3, D)], attrs: { num_heads: H }, outputs: [0, 1, 2] },
    { inputs: [any(B, T, H * D), any(B, H, 3, D), any(B, H, 3, D)], attrs: { num_heads: H } },
  ],
  GroupQueryAttention: [
    { inputs: [...qkv(2), null, null, ...lengths], attrs: grouped, outputs: [0, 1, 2] },
    { inputs: [...qkv(H), null, null, ...lengths], attrs: { num_heads: H, kv_num_heads: H, scale: float(0.3) }, outputs: [0, 1, 2] },
    ...[0, 1].map(rotary_interleaved => ({
      inputs: [...qkv(2), null, null, ...lengths, ...tables(D / 2)],
      attrs: { ...grouped, do_rotary: 1, rotary_interleaved },
      outputs: [0, 1, 2],
    })),
    { inputs: [any(B, T, (H + 4) * D), null, null, null, null, ...lengths, ...tables(D / 2)], attrs: { ...grouped, do_rotary: 1 }, outputs: [0, 1, 2] },
    { inputs: [...qkv(2), null, null, ...lengths], attrs: { ...grouped, local_window_size: 2, softcap: float(3) }, outputs: [0, 1, 2] },
    { inputs: [...qkv(2), null, null, ...lengths, null, null, null, any(B, H, T, T)], attrs: grouped, outputs: [0, 1, 2] },
    { inputs: [...qkv(2), null, null, ...lengths, null, null, null, any(B, 1, T, T)], attrs: grouped, outputs: [0, 1, 2] },
    // One more token after three in the cache.
    {
      inputs: [any(B, 1, H * D), any(B, 1, 2 * D), any(B, 1, 2 * D), any(B, 2, 3, D), any(B, 2, 3, D), int32(3, 3), total(4), ...tables(D / 2)],
      attrs: { ...grouped, do_rotary: 1 },
      outputs: [0, 1, 2],
    },
  ],
  Attention: [
    { inputs: [any(B, T, 6), any(6, 3 * H * D), any(3 * H * D)], attrs: { num_heads: H } },
    { inputs: [any(B, T, 6), any(6, 3 * H * D), any(3 * H * D), padding], attrs: { num_heads: H } },
    { inputs: [any(B, T, 6), any(6, 3 * H * D), any(3 * H * D), null, null, any(B, H, T, T)], attrs: { num_heads: H, unidirectional: 1 } },
  ],
} // biome-ignore format: a table

test('every decomposition has a case', () => {
  assert.equal(Object.keys(CASES).sort(), Object.keys(DECOMPOSITIONS).sort())
})

for (const [op, cases] of Object.entries(CASES)) {
  test(op, async () => {
    for (const [i, each] of cases.entries()) await compare(op, `${op} ${i}`, each)
  })
}

async function compare(
  op: string,
  label: string,
  { inputs, attrs = {}, outputs = [0], domain = 'com.microsoft' }: Case,
) {
  const values = inputs.map((input, i) => input && ('data' in input ? input : drawn(input, `${label}/${i}`)))
  const feeds = Object.fromEntries(values.flatMap((value, i) => (value ? [[`x${i}`, value]] : [])))
  const build = () => {
    const g = new Graph(op)
    const x = values.map((value, i) => (value ? g.input(`x${i}`, value.dtype, value.shape) : ''))
    const made = Array.from({ length: Math.max(...outputs) + 1 }, (_, i) => (outputs.includes(i) ? `y${i}` : ''))
    g.add({ op, domain, name: op, inputs: x, outputs: made, attrs })
    g.outputs = outputs.map(i => `y${i}`)
    return g
  }
  const run = async (g: Graph) => {
    const model = modelOf(g)
    if (op === 'RMSNormalization') model.opsets = { ...model.opsets, '': 23 }
    const session = await openSession(model, { threads: 1, optimization: 'basic' })
    const made = await session.run(feeds)
    await session.close()
    return made
  }
  const fused = await run(build())
  const graph = build()
  assert.equal(decompose(graph), 1)
  const floats = Object.keys(feeds).filter(name => feeds[name].dtype === 'float32')
  const loss = graph.op('ReduceSum', [graph.op('Mul', ['y0', 'y0'])], { keepdims: 0 })
  const found = gradients(graph, loss, floats)
  graph.outputs.push(...new Set(found.values()))
  const parts = await run(graph)
  for (const i of outputs) {
    const [a, b] = [fused[`y${i}`], parts[`y${i}`]]
    assert.equal(b.shape, a.shape, `${label}: output ${i}`)
    const apart = Math.max(...Array.from(a.data as Float32Array, (v, j) => Math.abs(v - Number(b.data[j]))))
    assert.ok(apart < 2e-4, `${label}: output ${i} differs by ${apart}`)
  }
  for (const name of floats)
    assert.equal(parts[found.get(name)!].shape, feeds[name].shape, `${label}: gradient of ${name}`)
}

test.run()
