/** Branches that are known to be taken: the same numbers from ONNX Runtime before and after. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decided } from '../../src/graph/branches.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf, readModel } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { upgraded } from '../../src/graph/upgrade.ts'
import { exportsPath } from '../models/exports.ts'

const test = suite('graph: branches')

const int64 = (values: number[], shape: number[]): HostTensor => ({ dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) }) // biome-ignore format: one thought

for (const name of ['merged-llama', 'merged-gpt2']) {
  test(`${name}: both of the graphs that are one`, async () => {
    const file = await readFile(join(exportsPath, name, 'onnx', 'decoder_model_merged.onnx'))
    const whole = await openSession(file, { threads: 1 })
    for (const past of [false, true]) {
      const model = upgraded(readModel(file))
      const graph = decided(model.graph, { use_cache_branch: past })
      assert.not(graph.inputs.includes('use_cache_branch'))
      assert.is(graph.nodes.some(({ op }) => op === 'If'), false) // biome-ignore format: one thought
      const count = past ? 1 : 4
      const feeds: Record<string, HostTensor> = {
        input_ids: int64([5, 6, 7, 8, 9, 10, 11, 12].slice(0, 2 * count), [2, count]),
        attention_mask: int64(Array(past ? 8 : 2 * count).fill(1), [2, past ? 4 : count]),
      }
      for (const input of graph.inputs.filter(each => each.startsWith('past'))) {
        const data = Float32Array.from({ length: 2 * 4 * 3 * 4 }, (_, i) => Math.sin(i))
        feeds[input] = { dtype: 'float32', shape: [2, 4, 3, 4], data }
      }
      const flag: HostTensor = { dtype: 'bool', shape: [1], data: Uint8Array.of(Number(past)) }
      const theirs = await whole.run({ ...feeds, use_cache_branch: flag })
      const session = await openSession({ ...model, graph }, { threads: 1 })
      const given = Object.entries(feeds).filter(([input]) => session.inputs.includes(input))
      const ours = await session.run(Object.fromEntries(given))
      await session.close()
      for (const output of graph.outputs) {
        assert.equal(ours[output].shape, theirs[output].shape, output)
        const { data } = theirs[output]
        for (const [i, value] of data.entries())
          assert.ok(Math.abs(Number(value) - Number(ours[output].data[i])) < 1e-5, output)
      }
    }
    await whole.close()
  })
}

/** x (2, n) → an If on whether its first size is `size`: in both branches a value and a weight of the same names. */
function choice(size: number): Graph {
  const g = new Graph('choice')
  g.input('x', 'float32', [2, 'n'])
  const known = g.op('Equal', [g.op('Shape', ['x'], { start: 0, end: 1 }), g.ints([size])])
  const branch = (factor: number) => {
    const part = new Graph('part', g)
    part.weight('w', { dtype: 'float32', shape: [], data: new Uint8Array(Float32Array.of(factor).buffer) })
    part.add({ op: 'Mul', domain: '', name: 'm', inputs: ['x', 'w'], outputs: ['y'], attrs: {} })
    part.outputs = ['y']
    return part
  }
  const ifs = [1, 10].map(by => g.op('If', [known], { then_branch: branch(2 * by), else_branch: branch(3 * by) }))
  g.output(g.op('Add', ifs), 'sum')
  return g
}

test('what is known by a size, with the same names in each branch', async () => {
  for (const [size, factor] of [
    [2, 22],
    [5, 33],
  ]) {
    const graph = decided(choice(size))
    assert.is(graph.nodes.filter(({ op }) => op === 'If').length, 0)
    const session = await openSession(modelOf(graph), { threads: 1 })
    const { sum } = await session.run({ x: { dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, -2) } })
    await session.close()
    assert.equal([...sum.data], [factor, -2 * factor])
  }
})

test('what is not known stays', () => {
  const g = new Graph('open')
  g.input('x', 'float32', ['n'])
  const long = g.op('Greater', [g.op('Shape', ['x']), g.ints([4])])
  const branch = (op: string) => {
    const part = new Graph(op, g)
    part.output(part.op(op, ['x']))
    return part
  }
  g.output(g.op('If', [long], { then_branch: branch('Neg'), else_branch: branch('Abs') }), 'y')
  assert.equal(decided(g).nodes.map(({ op }) => op), g.nodes.map(({ op }) => op)) // biome-ignore format: one thought
  const plain = new Graph('plain')
  assert.is(decided(plain), plain)
})

test.run()
