/** Products with transposed weights as one node: the same numbers, in the graph and in a Loop's body, without copies. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fuseTransposes } from '../../src/graph/fuse.ts'
import { Graph, type Tensor } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'

const test = suite('graph: fused transposes')

const tensor = (shape: number[], from: number): Tensor => {
  const data = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(from + i))
  return { dtype: 'float32', shape, data: new Uint8Array(data.buffer) }
}

/** y = 4 times: y ← y Aᵀ, with y = x Bᵀ before, B in half precision, and a product of two values beside. */
function build(): Graph {
  const graph = new Graph('products')
  const x = graph.input('x', 'float32', ['rows', 3])
  const b: Tensor = { dtype: 'float16', shape: [2, 3], data: new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x4000, 0x3c00, 0xb800).buffer) } // biome-ignore format: one thought
  const wide = graph.op('Cast', [graph.weight('b', b)], { to: 1 })
  const start = graph.op('MatMul', [x, graph.op('Transpose', [wide], { perm: [1, 0] })])
  const turned = graph.op('Transpose', [graph.weight('a', tensor([2, 2], 1))], { perm: [1, 0] })
  const body = new Graph('body', graph)
  body.input('i', 'int64', [])
  const go = body.input('go', 'bool', [])
  const state = body.input('state', 'float32', ['rows', 2])
  body.output(body.op('Identity', [go]))
  body.output(body.op('MatMul', [state, turned]))
  const y = graph.op('Loop', [graph.ints(4), '', start], { body })
  graph.output(graph.op('MatMul', [y, graph.op('Transpose', [y], { perm: [1, 0] })]), 'z')
  return graph
}

test('the same numbers, and no weight is transposed', async () => {
  const x = { dtype: 'float32' as const, shape: [2, 3], data: Float32Array.of(1, 2, 3, -1, 0.5, 4) }
  const run = async (graph: Graph) => {
    const session = await openSession(modelOf(graph), { threads: 1 })
    const { z } = await session.run({ x })
    await session.close()
    return [...(z.data as Float32Array)]
  }
  const [plain, fused] = [build(), build()]
  fuseTransposes(fused)
  const ops = (graph: Graph): string[] =>
    graph.nodes.flatMap(({ op, attrs }) => [
      op,
      ...Object.values(attrs).flatMap(a => (a instanceof Graph ? ops(a) : [])),
    ])
  assert.is(ops(fused).filter(op => op === 'FusedMatMul').length, 2)
  assert.equal(ops(fused).filter(op => op === 'Transpose').length, 1, 'the one of a value')
  const [expected, got] = [await run(plain), await run(fused)]
  got.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 1e-4 * Math.abs(expected[i]), `${got}, expected ${expected}`)
  })
})

test.run()
