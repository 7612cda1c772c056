/**
 * Shape rules that need more than a line, one a function: what `infer.ts` has in its table. A rule gets a node and the
 * types of its inputs, and gives the types of its outputs.
 */

import { add, broadcast, broadcastShapes, quotient, subtract, unknown } from './dims.ts'
import { type Dim, dtypeOf, type Graph, type Node, type TensorType } from './ir.ts'

/** What a rule sees: the node, its input types ('' inputs are undefined), and the graph for integers known so far. */
export interface Context {
  graph: Graph
  node: Node
  x: (TensorType | undefined)[]
  /** An integer attribute. */
  int: (name: string, fallback: number) => number
  /** The integers in input `i`, where known. */
  integers: (i: number) => Dim[] | undefined
}
export type Inference = (c: Context) => (TensorType | undefined)[]

export const undetermined: Inference = ({ x }) => [{ dtype: x[0]?.dtype ?? 'float32' }]
export const same: Inference = ({ x }) => [x[0]]
export const boolean: Inference = ({ x }) => [{ dtype: 'bool', shape: x[0]?.shape }]

export const elementwise =
  (dtype?: 'bool'): Inference =>
  ({ x }) => {
    const operands = x.filter(type => type !== undefined)
    const shapes = operands.map(type => type.shape)
    const shape = shapes.every(s => s !== undefined) ? shapes.reduce((a, b) => broadcastShapes(a, b)) : undefined
    return [{ dtype: dtype ?? operands[0].dtype, shape }]
  }

export const axisOf = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis)

/** Axes as attribute (old opsets) or as input `at`. */
export function axesOf({ node, integers }: Context, at: number): number[] | undefined {
  if (node.attrs.axes) return node.attrs.axes as number[]
  return integers(at)?.every(v => typeof v === 'number') ? (integers(at) as number[]) : undefined
}

export const reduction: Inference = c => {
  const { dtype, shape } = c.x[0]!
  const keep = c.int('keepdims', 1) === 1
  const listed = c.node.attrs.axes !== undefined || Boolean(c.node.inputs[1])
  const axes = listed ? axesOf(c, 1) : undefined
  if (!shape) return [{ dtype }]
  if (!listed) return [{ dtype, shape: c.int('noop_with_empty_axes', 0) ? shape : keep ? shape.map(() => 1) : [] }]
  if (!axes) return [{ dtype, shape: keep ? shape.map(() => unknown()) : undefined }]
  const hit = new Set(axes.map(axis => axisOf(axis, shape.length)))
  return [{ dtype, shape: keep ? shape.map((d, i) => (hit.has(i) ? 1 : d)) : shape.filter((_, i) => !hit.has(i)) }]
}

export const matmul: Inference = ({ x, int }) => {
  const [a, b] = [x[0]!, x[1]!]
  if (!a.shape || !b.shape) return [{ dtype: a.dtype }]
  const [m, n] = [[...a.shape], [...b.shape]]
  if (int('transA', 0)) m.push(...m.splice(-2).reverse())
  if (int('transB', 0)) n.push(...n.splice(-2).reverse())
  const [vectorA, vectorB] = [m.length === 1, n.length === 1]
  if (vectorA) m.unshift(1)
  if (vectorB) n.push(1)
  const batch = broadcastShapes(m.slice(0, -2), n.slice(0, -2))
  return [{ dtype: a.dtype, shape: [...batch, ...(vectorA ? [] : [m.at(-2)!]), ...(vectorB ? [] : [n.at(-1)!])] }]
}

export const reshape: Inference = c => {
  const { dtype, shape } = c.x[0]!
  const target = c.integers(1)
  if (!target) {
    const rank = c.x[1]?.shape?.[0]
    return [{ dtype, shape: typeof rank === 'number' ? Array.from({ length: rank }, unknown) : undefined }]
  }
  const out = target.map((dim, i) => (dim === 0 && !c.int('allowzero', 0) ? (shape?.[i] ?? unknown()) : dim))
  const free = out.indexOf(-1)
  if (free >= 0)
    out[free] = shape
      ? quotient(
          shape,
          out.filter((_, i) => i !== free),
        )
      : unknown()
  return [{ dtype, shape: out }]
}

export const gather: Inference = ({ x, int }) => {
  const [data, indices] = [x[0]!, x[1]!]
  if (!data.shape || !indices.shape) return [{ dtype: data.dtype }]
  const axis = axisOf(int('axis', 0), data.shape.length)
  return [{ dtype: data.dtype, shape: [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)] }]
}

export const gatherND: Inference = ({ x, int }) => {
  const [data, indices] = [x[0]!, x[1]!]
  const depth = indices.shape?.at(-1)
  if (!data.shape || typeof depth !== 'number') return [{ dtype: data.dtype }]
  const batch = int('batch_dims', 0)
  return [{ dtype: data.dtype, shape: [...indices.shape!.slice(0, -1), ...data.shape.slice(batch + depth)] }]
}

export const concat: Inference = ({ x, int }) => {
  const shapes = x.map(type => type?.shape)
  if (!shapes.every(shape => shape !== undefined)) return [{ dtype: x[0]!.dtype }]
  const axis = axisOf(int('axis', 0), shapes[0].length)
  const merged = shapes.reduce((a, b) => a.map((dim, i) => (i === axis ? add(dim, b[i]) : broadcast(dim, b[i]))))
  return [{ dtype: x[0]!.dtype, shape: merged }]
}

export const split: Inference = c => {
  const { dtype, shape } = c.x[0]!
  if (!shape) return c.node.outputs.map(() => ({ dtype }))
  const axis = axisOf(c.int('axis', 0), shape.length)
  const sizes = (c.node.attrs.split as number[] | undefined) ?? c.integers(1)
  const count = c.node.outputs.length
  return c.node.outputs.map((_, i) => {
    const size = sizes?.[i] ?? (typeof shape[axis] === 'number' ? Math.ceil(shape[axis] / count) : unknown())
    return { dtype, shape: shape.map((dim, d) => (d === axis ? size : dim)) }
  })
}

export const slice: Inference = c => {
  const { dtype, shape } = c.x[0]!
  if (!shape) return [{ dtype }]
  const [starts, ends, steps] = [c.integers(1), c.integers(2), c.integers(4)]
  const axes = c.node.inputs[3] ? c.integers(3) : starts?.map((_, i) => i)
  if (!starts || !ends || !axes) return [{ dtype, shape: axes ? touched(shape, axes) : shape.map(() => unknown()) }]
  const out = [...shape]
  axes.forEach((axis, i) => {
    const d = axisOf(axis as number, shape.length)
    out[d] = sliced(shape[d], starts[i], ends[i], steps?.[i] ?? 1)
  })
  return [{ dtype, shape: out }]
}

export const touched = (shape: Dim[], axes: Dim[]) => {
  const hit = new Set(axes.map(axis => axisOf(axis as number, shape.length)))
  return shape.map((dim, i) => (hit.has(i) ? unknown() : dim))
}

export function sliced(dim: Dim, start: Dim, end: Dim, step: Dim): Dim {
  const whole = typeof end === 'number' && end >= 2 ** 31 - 1
  if (step === 1 && start === 0 && (whole || end === dim)) return dim
  if (step === 1 && whole && typeof start === 'number' && start > 0) return subtract(dim, start)
  if (step === 1 && start === 0 && typeof end === 'string') return end
  if (typeof dim !== 'number' || typeof start !== 'number' || typeof end !== 'number' || typeof step !== 'number') {
    return unknown()
  }
  const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + dim : v, low), high)
  const [from, to] =
    step > 0 ? [clamp(start, 0, dim), clamp(end, 0, dim)] : [clamp(start, 0, dim - 1), clamp(end, -1, dim - 1)]
  return Math.max(0, Math.ceil((to - from) / step))
}

export const squeeze: Inference = c => {
  const { dtype, shape } = c.x[0]!
  const axes = axesOf(c, 1)
  if (!shape || (!axes && c.node.inputs[1])) return [{ dtype }]
  const hit = axes && new Set(axes.map(axis => axisOf(axis, shape.length)))
  return [{ dtype, shape: shape.filter((dim, i) => (hit ? !hit.has(i) : dim !== 1)) }]
}

export const unsqueeze: Inference = c => {
  const { dtype, shape } = c.x[0]!
  const axes = axesOf(c, 1)
  if (!shape || !axes) return [{ dtype }]
  const rank = shape.length + axes.length
  const hit = new Set(axes.map(axis => axisOf(axis, rank)))
  const rest = [...shape]
  return [{ dtype, shape: Array.from({ length: rank }, (_, i) => (hit.has(i) ? 1 : rest.shift()!)) }]
}

export const expand: Inference = c => {
  const rank = c.x[1]?.shape?.[0]
  const target = c.integers(1) ?? (typeof rank === 'number' ? Array.from({ length: rank }, unknown) : undefined)
  const { dtype, shape } = c.x[0]!
  return [{ dtype, shape: shape && target ? broadcastShapes(shape, target) : undefined }]
}

export const conv: Inference = ({ x, node, int }) => {
  const [data, kernel] = [x[0]!, x[1]!]
  if (!data.shape || !kernel.shape) return [{ dtype: data.dtype }]
  const rank = data.shape.length - 2
  const list = (name: string, fallback: number) =>
    (node.attrs[name] as number[] | undefined) ?? Array(rank * 2).fill(fallback)
  const [strides, pads, dilations] = [list('strides', 1), list('pads', 0), list('dilations', 1)]
  const spatial = data.shape.slice(2).map((dim, i) => {
    const k = kernel.shape![i + 2]
    if (typeof dim !== 'number' || typeof k !== 'number' || /^SAME/.test(String(node.attrs.auto_pad))) return unknown()
    return Math.floor((dim + pads[i] + pads[i + rank] - dilations[i] * (k - 1) - 1) / strides[i]) + 1
  })
  void int
  return [{ dtype: data.dtype, shape: [data.shape[0], kernel.shape[0], ...spatial] }]
}

export const topK: Inference = c => {
  const { dtype, shape } = c.x[0]!
  const axis = shape && axisOf(c.int('axis', -1), shape.length)
  const out = shape?.map((dim, i) => (i === axis ? (c.integers(1)?.[0] ?? unknown()) : dim))
  return [
    { dtype, shape: out },
    { dtype: 'int64', shape: out },
  ]
}

export const oneHot: Inference = c => {
  const { shape } = c.x[0]!
  const axis = c.int('axis', -1)
  const depth = c.integers(1)?.[0] ?? unknown()
  const out = shape && [...shape]
  out?.splice(axis < 0 ? axis + out.length + 1 : axis, 0, depth)
  return [{ dtype: c.x[2]!.dtype, shape: out }]
}

/** Loop: carried state keeps its dtype and the dims that the body does not change; scan outputs gain an axis. */
export const loop: Inference = ({ node, x }) => {
  const body = node.attrs.body as Graph
  const carried = node.inputs.length - 2
  return node.outputs.map((_, i) => {
    const made = body.type(body.outputs[i + 1])
    if (made.sequence) return made
    if (i >= carried) return { dtype: made.dtype, shape: made.shape && [unknown(), ...made.shape] }
    const given = x[i + 2]?.shape
    return { dtype: made.dtype, shape: made.shape?.map((dim, d) => (dim === given?.[d] ? dim : unknown())) }
  })
}

export const branch: Inference = ({ node }) => {
  const [yes, no] = [node.attrs.then_branch as Graph, node.attrs.else_branch as Graph]
  return node.outputs.map((_, i) => {
    const [a, b] = [yes.type(yes.outputs[i]), no.type(no.outputs[i])]
    const alike = a.shape && b.shape && a.shape.length === b.shape.length
    return {
      dtype: a.dtype,
      shape: alike ? a.shape!.map((dim, d) => (dim === b.shape![d] ? dim : unknown())) : undefined,
    }
  })
}

/** Sequences of tensors, by what stands in them: a trace makes lists of sizes so. */
export const SEQUENCES: Record<string, Inference> = {
  SequenceEmpty: ({ int }) => [{ dtype: dtypeOf(int('dtype', 1)), sequence: true }],
  SequenceConstruct: ({ x }) => [{ dtype: x[0]!.dtype, sequence: true }],
  SplitToSequence: ({ x }) => [{ dtype: x[0]!.dtype, sequence: true }],
  SequenceInsert: ({ x }) => [x[0]],
  SequenceErase: ({ x }) => [x[0]],
  SequenceAt: ({ x }) => [{ dtype: x[0]!.dtype }],
  SequenceLength: () => [{ dtype: 'int64', shape: [] }],
  ConcatFromSequence: ({ x }) => [{ dtype: x[0]!.dtype }],
}
