/** The walk: what is visited, summed, refused; the rules themselves are checked in rules.test.ts. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { gradients } from '../../src/autodiff/reverse.ts'
import { UserError } from '../../src/errors.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'

const test = suite('autodiff: reverse')

const f32 = (shape: number[], data: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
})

async function run(graph: Graph, feeds: Record<string, HostTensor>) {
  const session = await openSession(modelOf(graph), { threads: 1 })
  const made = await session.run(feeds)
  await session.close()
  return session.outputs.map(name => [...(made[name].data as Float32Array)])
}

test('gradients that meet are summed; independent values get zeros; values on the way may be asked for', async () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  const lonely = g.input('lonely', 'float32', ['n'])
  const square = g.op('Mul', [x, x])
  const y = g.op('Sum', [square, x, g.op('Mul', [square, g.scalar(3)])]) // 4x² + x
  const loss = g.op('ReduceSum', [y], { keepdims: 0 })
  const found = gradients(g, loss, [x, square, lonely])
  for (const value of [x, square, lonely]) g.output(found.get(value)!, `d${value}`)
  const [dx, dsquare, dlonely] = await run(g, { x: f32([2], [1, -2]), lonely: f32([3], [5, 6, 7]) })
  assert.equal(dx, [9, -15])
  assert.equal(dsquare, [4, 4])
  assert.equal(dlonely, [0, 0, 0])
})

test('only the way from wrt to the loss is differentiated', () => {
  const g = new Graph()
  const [x, w] = [g.input('x', 'float32', [2]), g.input('w', 'float32', [2])]
  const odd = g.op('Elu', [x]) // has no rule, does not depend on w
  g.op('Elu', [w]) // has no rule, does not lead to the loss
  const loss = g.op('ReduceSum', [g.op('Mul', [w, g.op('Add', [x, odd])])], { keepdims: 0 })
  const before = g.nodes.length
  gradients(g, loss, [w])
  assert.ok(g.nodes.length - before <= 3, `${g.nodes.length - before} nodes appended`)
})

test('integers carry no gradient', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2, 3])
  const best = g.op('ArgMax', [x], { axis: 1 })
  const picked = g.op('GatherElements', [x, best], { axis: 1 })
  gradients(g, g.op('ReduceSum', [picked], { keepdims: 0 }), [x])
})

test('an operator without a rule is named, with its node and what to do', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [2])
  const y = 'layer.0/q_proj'
  g.add({ op: 'Strange', domain: 'com.microsoft', name: y, inputs: [g.op('Asinh', [x])], outputs: [y], attrs: {} })
  assert.throws(
    () => gradients(g, y, [x]),
    (error: Error) =>
      error instanceof UserError && /Asinh, com\.microsoft\.Strange .*node Asinh_.*decompos/.test(error.message),
  )
})

test('in the body of a Loop, weights of the graph around it get gradients', async () => {
  const outer = new Graph('outer')
  const xs = outer.input('xs', 'float32', ['n', 2])
  const w = outer.input('w', 'float32', [2])
  const body = new Graph('body', outer)
  const i = body.input('i', 'int64', [])
  const go = body.input('go', 'bool', [])
  const total = body.input('total', 'float32', [2])
  const y = body.op('Mul', [body.op('Gather', [xs, i]), body.op('Mul', [w, w])])
  const dw = gradients(body, body.op('ReduceSum', [y], { keepdims: 0 }), [w]).get(w)!
  body.output(body.op('Identity', [go]))
  body.output(body.op('Add', [total, dw]))
  const count = outer.op('Squeeze', [outer.op('Shape', [xs], { start: 0, end: 1 })])
  outer.output(outer.op('Loop', [count, '', outer.floats([0, 0], [2])], { body }))
  const [made] = await run(outer, { xs: f32([3, 2], [1, 2, 3, 4, 5, 6]), w: f32([2], [1, -1]) })
  assert.equal(made, [18, -24])
})

test('what the graph around a body computes from a weight is not taken for a constant', () => {
  const outer = new Graph('outer')
  const w = outer.input('w', 'float32', [2, 2])
  const transposed = outer.op('Transpose', [w])
  const body = new Graph('body', outer)
  const x = body.input('x', 'float32', [2])
  const loss = body.op('ReduceSum', [body.op('MatMul', [x, transposed])], { keepdims: 0 })
  assert.throws(() => gradients(body, loss, [w]), /graph body uses Transpose_0/)
})

test('the gradient of a Linear layer is one product, with no Transpose and no batch axis', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', ['B', 'T', 4])
  const w = g.input('w', 'float32', [3, 4])
  const y = g.op('MatMul', [x, g.op('Transpose', [w], { perm: [1, 0] })])
  const before = g.nodes.length
  const found = gradients(g, g.op('ReduceSumSquare', [y], { keepdims: 0 }), [x, w])
  const added = g.nodes.slice(before + 1)
  assert.equal(added.filter(node => node.op === 'Transpose').length, 0)
  assert.equal(added.filter(node => /MatMul/.test(node.op)).length, 2)
  const producer = g.producers().get(found.get(w)!)!
  assert.equal(producer.op, 'FusedMatMul')
  assert.equal(
    producer.inputs.map(input => g.rank(input)),
    [2, 2],
  )
})

test('broadcasting that symbolic sizes leave open is decided when the graph runs', async () => {
  const g = new Graph()
  const [a, b] = [g.input('a', 'float32', ['A', 2]), g.input('b', 'float32', ['B', 2])]
  const loss = g.op('ReduceSum', [g.op('Mul', [a, b])], { keepdims: 0 })
  const found = gradients(g, loss, [a, b])
  g.output(found.get(a)!)
  g.output(found.get(b)!)
  const [one, three] = [f32([1, 2], [1, 2]), f32([3, 2], [1, 2, 3, 4, 5, 6])]
  assert.equal(await run(g, { a: one, b: three }), [
    [9, 12],
    [1, 2, 1, 2, 1, 2],
  ])
  assert.equal((await run(g, { a: three, b: one }))[1], [9, 12])
})

test.run()
