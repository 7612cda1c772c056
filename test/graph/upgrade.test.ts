/** Older operator sets: the same numbers from ONNX Runtime before and after. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../src/errors.ts'
import { type Attribute, Graph, type Model } from '../../src/graph/ir.ts'
import { readModel, writeModel } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { upgraded } from '../../src/graph/upgrade.ts'

const test = suite('graph: upgrade')

const x = {
  dtype: 'float32' as const,
  shape: [2, 4, 3],
  data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
}

/** One node of an old set, written and read as a file. */
function old(op: string, version: number, attrs: Record<string, Attribute>, outputs = 1): Model {
  const graph = new Graph('old')
  graph.input('x', 'float32', x.shape)
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`)
  graph.add({ op, domain: '', name: op, inputs: ['x'], outputs: names, attrs })
  graph.outputs = names
  return readModel(writeModel({ graph, opsets: { '': version }, metadata: {} }))
}

async function run(model: Model) {
  const session = await openSession(model, { threads: 1 })
  const made = await session.run({ x })
  await session.close()
  return made
}

const CASES: [string, number, Record<string, Attribute>, number?][] = [
  ['ReduceMean', 14, { axes: [-1], keepdims: 1 }],
  ['ReduceMax', 17, { axes: [0, 2], keepdims: 0 }],
  ['ReduceSum', 12, { axes: [1] }],
  ['ReduceMean', 14, {}],
  ['Unsqueeze', 11, { axes: [0, 3] }],
  ['Split', 12, { axis: 1, split: [1, 3] }, 2],
  ['Split', 13, { axis: 1 }, 2],
  ['Softmax', 12, { axis: 2 }],
  ['LogSoftmax', 11, { axis: -1 }],
  ['Dropout', 11, {}],
  ['Softmax', 14, { axis: 1 }],
]

for (const [i, [op, version, attrs, outputs]] of CASES.entries()) {
  test(`${op} of set ${version} (${i})`, async () => {
    const model = old(op, version, attrs, outputs)
    const before = await run(model)
    const after = upgraded(model)
    assert.is(after.opsets[''], 21)
    assert.equal(await run(readModel(writeModel(after))), before)
  })
}

test('what cannot be brought up is refused', () => {
  assert.throws(() => upgraded(old('Softmax', 12, { axis: 1 })), (error: Error) => error instanceof UserError && /node Softmax/.test(error.message)) // biome-ignore format: one thought
  assert.throws(() => upgraded(old('Relu', 9, {})), (error: Error) => error instanceof UserError && /set 9: expected 11/.test(error.message)) // biome-ignore format: one thought
})

test.run()
