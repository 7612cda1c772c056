/** Operators that look up and that write at indices. The gradient of a look-up is added where it was looked up. */

import { DTYPE_CODES, type DType } from '../../graph/ir.ts'
import { exactly } from '../broadcast.ts'
import { filled, type Rule, type Site } from './site.ts'

export const GATHER: Record<string, Rule> = {
  Gather: s => [gathered(s), null],
  GatherElements: s => [scattered(s, s.dims(s.x[0]), s.x[1], s.g, s.int('axis', 0)), null],
  GatherND: s => {
    if (s.int('batch_dims', 0) !== 0) s.refuse('GatherND with batch_dims')
    return [scatteredND(s), null]
  },
  ScatterND: s => written(s, 'GatherND', {}),
  ScatterElements: s => written(s, 'GatherElements', { axis: s.int('axis', 0) }),
}

/** By ScatterElements: ScatterND adds in parallel without locks on the CPU, so equal indices race there. */
function gathered(s: Site): string {
  const [data, indices] = s.x
  const shape = s.graph.shape(data)!
  const axis = s.axis(s.int('axis', 0), shape.length)
  const around = (middle: string) => {
    const axes = shape.map((_, i) => i)
    const parts = [s.dims(data, axes.slice(0, axis)), middle, s.dims(data, axes.slice(axis + 1))]
    const some = [axis > 0, true, axis + 1 < shape.length]
    const kept = parts.filter((_, i) => some[i])
    return s.concat(kept, 0)
  }
  const g = s.reshape(s.g, around(s.graph.ints([-1]))) // (before, indices, after)
  const column = s.reshape(indices, [-1, ...shape.slice(axis + 1).map(() => 1)])
  const at = s.op('Expand', [column, s.op('Shape', [g])])
  return scattered(s, s.dims(data), at, g, axis)
}

/** Zeros of the sizes in `dims` to which `g` is added at `at`: in single precision, for many may meet at one place. */
function scattered(s: Site, dims: string, at: string, g: string, axis: number): string {
  const { dtype } = s.graph.type(g)
  const half = dtype === 'float16' || dtype === 'bfloat16'
  const to = (value: string, type: DType) => (half ? s.op('Cast', [value], { to: DTYPE_CODES[type] }) : value)
  const zeros = filled(s.graph, dims, 0, half ? 'float32' : dtype)
  return to(s.op('ScatterElements', [zeros, at, to(g, 'float32')], { axis, reduction: 'add' }), dtype)
}

/** What was overwritten has no gradient; what was added to keeps its own. */
function written(s: Site, lookUp: string, attrs: Record<string, number>): (string | null)[] {
  const [, indices, updates] = s.x
  const reduction = s.text('reduction', 'none')
  if (reduction !== 'none' && reduction !== 'add') s.refuse(`${s.node.op} with reduction ${reduction}`)
  const dataGradient = reduction === 'add' ? s.g : s.op(s.node.op, [s.g, indices, s.zeros(updates)], attrs)
  return [dataGradient, null, exactly(s.graph, s.op(lookUp, [s.g, indices], attrs), updates)]
}

/** The indexed axes become one, whose index is computed from the parts; then as for Gather. Indices may be negative. */
function scatteredND(s: Site): string {
  const { graph } = s
  const [data, indices] = s.x
  const depth = graph.shape(indices)!.at(-1)
  if (typeof depth !== 'number') return s.refuse('GatherND of unknown depth')
  const axes = graph.shape(data)!.map((_, i) => i)
  const sizes = s.dims(data, axes.slice(0, depth))
  const after = (i: number) => s.dims(data, axes.slice(i, depth))
  const volume = (dims: string) => s.op('ReduceProd', [dims], { keepdims: 1 })
  const strides = axes.slice(0, depth).map(i => (i + 1 < depth ? volume(after(i + 1)) : graph.ints([1])))
  const zero = graph.ints(0)
  const fromFront = s.op('Where', [s.op('Less', [indices, zero]), s.add(indices, sizes), indices])
  const flat = s.sum(s.op('Mul', [fromFront, s.concat(strides, 0)]), [-1], 0)
  const matrix = s.concat([volume(sizes), graph.ints([-1])], 0)
  const table = s.reshape(s.zeros(data), matrix) // (indexed elements, rest)
  const shape = s.op('Shape', [table])
  const width = s.op('Gather', [shape, graph.ints([1])])
  const g = s.reshape(s.g, s.concat([graph.ints([-1]), width], 0)) // (indices, rest)
  const at = s.op('Expand', [s.reshape(flat, [-1, 1]), s.op('Shape', [g])])
  return s.reshape(scattered(s, shape, at, g, 0), s.dims(data))
}
