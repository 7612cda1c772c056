/** The end of a decoder, however it is written: rows are picked before the head, and the logits are those of the rows. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { float, Graph, type Tensor } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { stream } from '../../src/random.ts'
import { learntLogits } from '../../src/train/head.ts'

const test = suite('train: the head')
const [D, V, B, T] = [32, 11, 2, 5]

const random = (name: string, shape: number[]): HostTensor & Tensor => {
  const draw = stream(1, name)
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => draw() - 0.5)
  return { dtype: 'float32', shape, data: data as never }
}

/** A residual stream and a norm, and then what `head` makes of (B, T, D). */
function decoder(head: (g: Graph, x: string, weight: (name: string, shape: number[]) => string) => string): Graph {
  const g = new Graph('decoder')
  const weight = (name: string, shape: number[]) => {
    const { data } = random(name, shape)
    return g.weight(name, { dtype: 'float32', shape, data: new Uint8Array((data as unknown as Float32Array).buffer) })
  }
  const x = g.input('inputs_embeds', 'float32', ['batch', 'sequence', D])
  const stream1 = g.op('Add', [x, g.op('Tanh', [g.op('MatMul', [x, weight('inner', [D, D])])])])
  const attrs = { axis: -1, epsilon: float(1e-5), stash_type: 1 }
  const normed = g.op('SimplifiedLayerNormalization', [stream1, weight('norm', [D])], attrs)
  g.output(head(g, normed, weight), 'logits')
  return g
}

const flat = (g: Graph, x: string, width: number) => g.op('Reshape', [x, g.ints([-1, width])])
const heads: Record<string, Parameters<typeof decoder>[0]> = {
  'tied, transposed': (g, x, w) => g.op('MatMul', [x, g.op('Transpose', [w('head', [V, D])], { perm: [1, 0] })]),
  'FusedMatMul, cast': (g, x, w) => g.op('Cast', [g.op('FusedMatMul', [x, w('head', [V, D])], { transA: 0, transB: 1, alpha: float(0.5) })], { to: 1 }), // biome-ignore format: one thought
  'Gemm with bias between reshapes': (g, x, w) => {
    const made = g.op('Gemm', [flat(g, x, D), w('head', [V, D]), w('bias', [V])], { transB: 1 })
    const sizes = g.op('Concat', [g.op('Shape', [x], { start: 0, end: 2 }), g.ints([V])], { axis: 0 })
    return g.op('Reshape', [made, sizes])
  },
  'bias, scale and soft cap': (g, x, w) => {
    const plain = g.op('Add', [g.op('MatMul', [x, w('head', [D, V])]), w('bias', [V])])
    const capped = g.op('Tanh', [g.op('Div', [plain, g.scalar(3)])])
    return g.op('Mul', [capped, g.scalar(3)])
  },
  adapted: (g, x, w) => {
    const low = g.op('MatMul', [g.op('MatMul', [x, w('a', [D, 2])]), w('b', [2, V])])
    return g.op('Add', [g.op('MatMul', [x, w('head', [D, V])]), g.op('Mul', [low, g.scalar(2)])])
  },
  'one token at a time is left as it is': (g, x, w) => {
    // Rows look at each other here: the head must not be moved.
    const summed = g.op('CumSum', [g.op('MatMul', [x, w('head', [D, V])]), g.ints(1)])
    return summed
  },
}

for (const [name, head] of Object.entries(heads)) {
  test(name, async () => {
    const picks = [0, 3, 7, 9, 3]
    const x = random('x', [B, T, D])
    const positions: HostTensor = { dtype: 'int64', shape: [picks.length], data: BigInt64Array.from(picks, BigInt) }
    const whole = await openSession(modelOf(decoder(head)), { threads: 1 })
    const all = (await whole.run({ inputs_embeds: x })).logits.data as Float32Array
    await whole.close()
    const graph = learntLogits(decoder(head))
    assert.is(graph.outputs.length, name.startsWith('one token') ? 1 : 2)
    if (graph.outputs[1]) assert.equal(graph.shape(graph.outputs[1]), ['R', D])
    const session = await openSession(modelOf(graph), { threads: 1 })
    const made = (await session.run({ inputs_embeds: x, learnt_positions: positions }))[graph.outputs[0]]
    await session.close()
    assert.equal(made.shape, [picks.length, V])
    picks.forEach((at, i) => {
      for (let v = 0; v < V; v++) assert.ok(Math.abs(Number(made.data[i * V + v]) - all[at * V + v]) < 1e-5)
    })
  })
}

test.run()
