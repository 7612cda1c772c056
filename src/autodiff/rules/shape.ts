/** Operators that move, cut or repeat elements. */

import { padded } from '../writer.ts'
import { product, swapsLastTwo } from './matmul.ts'
import type { Rule, Site } from './site.ts'

const reshaped: Rule = s => [s.reshape(s.g, s.dims(s.x[0])), null]

export const SHAPE: Record<string, Rule> = {
  Reshape: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Flatten: reshaped,
  Expand: ({ g }) => [g, null],
  Transpose: transposed,
  Concat: s => {
    const axis = s.int('axis', 0)
    if (s.x.length === 1) return [s.g]
    const sizes = s.x.map(part => s.dims(part, [axis]))
    return s.many('Split', [s.g, s.concat(sizes, 0)], s.x.length, { axis })
  },
  Split: s => {
    const parts = s.node.outputs.map((_, i) => s.gradient(i))
    return [s.concat(parts, s.int('axis', 0)), null]
  },
  Slice: s => [unsliced(s)],
  Pad: s => {
    if (s.text('mode', 'constant') !== 'constant') s.refuse(`Pad in mode ${s.text('mode', '')}`)
    const axes = s.x[3] || s.graph.ints(s.graph.shape(s.x[0])!.map((_, i) => i))
    const before = s.many('Split', [s.x[1]], 2, { axis: 0, num_outputs: 2 })[0]
    const after = s.add(before, s.op('Gather', [s.op('Shape', [s.x[0]]), axes]))
    return [s.op('Slice', [s.g, before, after, axes])]
  },
  /** Tables of positions, which exporters always resize, keep their size in a tower for pictures of one size. */
  Resize: s => {
    const [from, to] = [s.x[0], s.y].map(value => s.graph.shape(value)?.join())
    if (from !== to) s.refuse('a change of size')
    return [s.g]
  },
  Tile: s => {
    const [x, repeats] = s.x
    const pairs = [repeats, s.dims(x)].map(v => s.unsqueeze(v, 1))
    const split = s.reshape(s.g, s.reshape(s.concat(pairs, 1), [-1])) // (r₀, d₀, r₁, d₁, …)
    const copies = s.graph.shape(x)!.map((_, i) => 2 * i)
    return [s.sum(split, copies, 0), null]
  },
  Trilu: s => [s.op('Trilu', [s.g, ...s.x.slice(1)], s.node.attrs), null],
  CumSum: s => [s.op('CumSum', [s.g, s.x[1]], { ...s.node.attrs, reverse: 1 - s.int('reverse', 0) }), null],
}

/** The inverse permutation. The transpose of a product is the product of the transposes, which costs nothing. */
function transposed(s: Site): string[] {
  const rank = s.graph.rank(s.x[0])
  const made = s.producer(s.g)
  if (made && (made.op === 'FusedMatMul' || made.op === 'MatMul') && swapsLastTwo(s.node, rank)) {
    const [a, b] = made.inputs
    const flag = (name: string) => made.attrs[name] !== 1
    const alpha = (made.attrs.alpha as { value: number } | undefined)?.value ?? 1
    const matrices = [a, b].every(value => s.graph.rank(value) >= 2)
    if (matrices && !made.attrs.transBatchA && !made.attrs.transBatchB)
      return [product(s.graph, b, a, flag('transB'), flag('transA'), alpha, s.producer)]
  }
  const perm = s.list('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)
  const inverse = perm.map((_, i) => perm.indexOf(i))
  return [s.transpose(s.g, inverse)]
}

/** The slice's gradient with zeros around it. Starts may be negative, ends beyond the tensor, both known only at run time. */
function unsliced(s: Site): string {
  const { graph, y } = s
  const [x, starts, , axesInput, steps] = s.x
  if (steps && !s.numbers(steps)?.every(step => step === 1)) s.refuse('a Slice whose steps are not 1')
  const count = graph.shape(starts)?.[0]
  const axes = axesInput
    ? s.numbers(axesInput)
    : typeof count === 'number'
      ? Array.from({ length: count }, (_, i) => i)
      : undefined
  if (!axes) s.refuse('a Slice whose axes are unknown')
  const sizes = s.dims(x, axes)
  const known = s.numbers(starts)
  const before = known?.every(start => start >= 0) ? starts : clampedStarts(s, starts, sizes)
  const after = s.sub(s.sub(sizes, before), s.dims(y, axes))
  return padded(graph, s.g, s.concat([before, after], 0), graph.ints(axes))
}

function clampedStarts(s: Site, starts: string, sizes: string): string {
  const zero = s.graph.ints(0)
  const fromFront = s.op('Where', [s.op('Less', [starts, zero]), s.add(starts, sizes), starts])
  return s.op('Min', [s.op('Max', [fromFront, zero]), sizes])
}
