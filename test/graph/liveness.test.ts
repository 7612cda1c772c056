import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { executionOrder, liveness } from '../../src/graph/liveness.ts'

const test = suite('graph: liveness')
const MB = 1 << 20
/** Elements of a float32 array of so many MB. */
const elements = (megabytes: number) => (megabytes * MB) / 4

test('a value lives from what makes it to the last that reads it', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [elements(1), 1])
  const wide = g.op('Concat', [x, x, x], { axis: 1 }) // 3 MB
  const wider = g.op('Concat', [wide, wide], { axis: 1 }) // 6 MB
  const [a] = g.many('Split', [wider, g.ints([1, 5])], 2, { axis: 1 }) // 1 MB and 5 MB
  g.output(g.op('Concat', [a, wide], { axis: 1 }))
  const { peak, at } = liveness(g)
  assert.is(peak, (3 + 6 + 1 + 5) * MB) // the other part is made, too, though nobody reads it
  assert.is(at?.op, 'Split')
})

test('views take nothing, and an element-wise operator writes over what nobody needs', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [elements(4)])
  const doubled = g.op('Concat', [x, x], { axis: 0 }) // 8 MB
  const seen = g.op('Reshape', [doubled, g.ints([2, -1])])
  const moved = g.op('Tanh', [g.op('Neg', [seen])])
  g.output(g.op('ReduceSum', [moved], { keepdims: 0 }))
  assert.is(Math.round(liveness(g).peak / MB), 8)
  const kept = new Graph()
  const y = kept.input('x', 'float32', [elements(4)])
  const twice = kept.op('Concat', [y, y], { axis: 0 })
  kept.output(kept.op('Mul', [kept.op('Neg', [twice]), twice]))
  assert.is(liveness(kept).peak, 16 * MB) // twice is read again
})

test('a branch takes what happens inside; sizes that are unknown count as told', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', ['n', elements(1)])
  const inside = (name: string) => {
    const branch = new Graph(name, g)
    const big = branch.op('Concat', [x, x, x], { axis: 0 })
    branch.output(branch.op('ReduceSum', [big, branch.ints([0])], { keepdims: 1 }))
    return branch
  }
  g.input('c', 'bool', [])
  g.types.set('x', { dtype: 'float32', shape: ['n', elements(1)] })
  g.output(g.op('If', ['c'], { then_branch: inside('a'), else_branch: inside('b') }))
  assert.is(liveness(g, 2).peak, 2 * MB + MB) // the Concat's first size is a name: 2 rows, and the sum of them
})

test('the order is depth first from the last output', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', [4])
  const [a, b] = [g.op('Exp', [x]), g.op('Neg', [x])]
  g.output(g.op('Tanh', [a]))
  g.output(g.op('Sqrt', [b]))
  assert.equal(
    executionOrder(g).map(({ op }) => op),
    ['Neg', 'Sqrt', 'Exp', 'Tanh'],
  )
})

test.run()
