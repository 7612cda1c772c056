/** Products of bytes as ONNX Runtime's quantizer writes them, against the products of floats that they stand for. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inFloats } from '../../src/graph/bytes.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'

const test = suite('graph: bytes')

const x = Float32Array.from({ length: 2 * 2 * 4 }, (_, i) => Math.sin(3 * i))
const weight = Int8Array.from({ length: 12 }, (_, i) => ((i * 37) % 200) - 100)
const bytes = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer)

/** x (2, 2, 4) times W (4, 3), which has a scale, or one for each column. */
function product(scales: number[], zeros: number[]): Graph {
  const g = new Graph('product')
  g.input('x', 'float32', [2, 2, 4])
  const shape = scales.length > 1 ? [3] : []
  g.weight('w', { dtype: 'int8', shape: [4, 3], data: bytes(weight) })
  g.weight('s', { dtype: 'float32', shape, data: bytes(Float32Array.from(scales)) })
  g.weight('z', { dtype: 'int8', shape, data: bytes(Int8Array.from(zeros)) })
  const [q, scale, zero] = g.many('DynamicQuantizeLinear', ['x'], 3)
  const whole = g.op('Cast', [g.op('MatMulInteger', [q, 'w', zero, 'z'])], { to: 1 })
  g.output(g.op('Mul', [whole, g.op('Mul', [scale, 's'])]), 'y')
  return g
}

const ops = (graph: Graph) => graph.nodes.map(({ op }) => op).filter(op => op !== 'Identity').sort() // biome-ignore format: one thought

async function run(graph: Graph, given: HostTensor): Promise<number[]> {
  const session = await openSession(modelOf(graph), { threads: 1 })
  const { y } = await session.run({ x: given })
  await session.close()
  return Array.from(y.data as Float32Array)
}

for (const [scales, zeros] of [
  [[0.02], [3]],
  [
    [0.02, 0.5, 0.003],
    [0, -7, 90],
  ],
])
  test(`a product with ${scales.length} scales`, async () => {
    const graph = product(scales, zeros)
    const rounded = await run(product(scales, zeros), { dtype: 'float32', shape: [2, 2, 4], data: x })
    inFloats(graph)
    assert.equal(ops(graph), ['DequantizeLinear', 'MatMul'])
    const made = await run(graph, { dtype: 'float32', shape: [2, 2, 4], data: x })
    made.forEach((value, i) => {
      const [row, column] = [Math.floor(i / 3), i % 3]
      const at = scales.length > 1 ? column : 0
      let sum = 0
      for (let k = 0; k < 4; k++) sum += x[row * 4 + k] * (weight[k * 3 + column] - zeros[at]) * scales[at]
      assert.ok(Math.abs(value - sum) < 1e-5 * Math.max(1, Math.abs(sum)), `${value}, expected ${sum}`)
      assert.ok(Math.abs(rounded[i] - sum) < 200 * scales[at] * 0.03 * 4, 'what the quantizer meant')
    })
  })

test('a convolution, with a scale for each of its channels', async () => {
  const g = new Graph('conv')
  g.input('x', 'float32', [1, 2, 2, 4])
  g.weight('w', { dtype: 'uint8', shape: [3, 2, 1, 2], data: bytes(weight) })
  g.weight('s', { dtype: 'float32', shape: [3], data: bytes(Float32Array.of(0.1, 0.2, 0.3)) })
  g.weight('z', { dtype: 'uint8', shape: [3], data: Uint8Array.of(128, 128, 128) })
  const [q, scale, zero] = g.many('DynamicQuantizeLinear', ['x'], 3)
  const whole = g.op('Cast', [g.op('ConvInteger', [q, 'w', zero, 'z'], { strides: [1, 2] })], { to: 1 })
  const scales = g.op('Reshape', [g.op('Mul', [scale, 's']), g.ints([1, -1, 1, 1])])
  g.output(g.op('Mul', [whole, scales]), 'y')
  inFloats(g)
  assert.equal(ops(g), ['Conv', 'DequantizeLinear'])
  const made = await run(g, { dtype: 'float32', shape: [1, 2, 2, 4], data: x })
  const kernel = bytes(weight)
  made.forEach((value, i) => {
    const [o, y, column] = [Math.floor(i / 4), Math.floor(i / 2) % 2, i % 2]
    let sum = 0
    for (let c = 0; c < 2; c++)
      for (let k = 0; k < 2; k++) sum += x[c * 8 + y * 4 + 2 * column + k] * (kernel[(o * 2 + c) * 2 + k] - 128) * 0.1 * (o + 1) // biome-ignore format: one thought
    assert.ok(Math.abs(value - sum) < 1e-4, `${value}, expected ${sum}`)
  })
})

test('other uses of the same operators stay', () => {
  const g = product([0.02], [3])
  const loose = g.nodes.find(({ op }) => op === 'MatMulInteger')!.outputs[0]
  g.outputs = [loose]
  g.nodes = g.nodes.slice(0, 2)
  inFloats(g)
  assert.equal(ops(g), ['DynamicQuantizeLinear', 'MatMulInteger'])
})

test.run()
