import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf, readModel, writeModel } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'

const test = suite('graph: models')

const f32 = (shape: number[], data: number[]) => ({ dtype: 'float32' as const, shape, data: Float32Array.from(data) })

/** y = x W with W in a file; then doubled `times` times in a Loop that uses the outer scope. */
function doubling(): Graph {
  const graph = new Graph('doubling')
  const x = graph.input('x', 'float32', ['rows', 2])
  const w = graph.weight('w', { dtype: 'float32', shape: [2, 2], file: 'weights.bin', offset: 8, length: 16 })
  const two = graph.scalar(2)
  const y = graph.op('MatMul', [x, w])
  const body = new Graph('body', graph)
  body.input('i', 'int64', [])
  const go = body.input('go', 'bool', [])
  const state = body.input('state', 'float32', ['rows', 2])
  body.output(body.op('Identity', [go]))
  body.output(body.op('Mul', [state, two]))
  const z = graph.op('Loop', [graph.ints(3), '', y], { body })
  graph.output(z, 'z')
  return graph
}

test('a model with a Loop and external weights runs, and again after a round trip', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sophia-'))
  writeFileSync(join(folder, 'weights.bin'), new Uint8Array(Float32Array.of(0, 0, 1, 2, 3, 4).buffer))
  const model = modelOf(doubling())
  for (const m of [model, readModel(writeModel(model))]) {
    assert.equal(m.graph.type(m.graph.outputs[0]), { dtype: 'float32', shape: ['rows', 2] })
    const session = await openSession(m, { folder })
    const { z } = await session.run({ x: f32([1, 2], [1, 1]) })
    assert.equal([...z.data], [32, 48])
    await session.close()
  }
})

test('ranks survive shape arithmetic', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', ['B', 'T', 64])
  const dims = g.op('Shape', [x])
  const batch = g.op('Gather', [dims, g.ints([0])])
  const target = g.op('Concat', [batch, g.ints([-1]), g.ints([4]), g.ints([16])], { axis: 0 })
  const heads = g.op('Reshape', [x, target])
  assert.equal(g.shape(heads), ['B', 'T', 4, 16])
  assert.equal(g.shape(g.op('Transpose', [heads], { perm: [0, 2, 1, 3] })), ['B', 4, 'T', 16])
  assert.equal(g.shape(g.op('ReduceSum', [heads, g.ints([-1])], { keepdims: 0 })), ['B', 'T', 4])
  assert.equal(g.shape(g.op('Concat', [heads, heads], { axis: 1 })), ['B', 'T+T', 4, 16])
})

test('an absent input is named', () => {
  assert.throws(() => new Graph('g').op('Neg', ['nothing']), /no value named nothing/)
})

test.run()
