/**
 * Integers known while a graph is built: shapes and what is computed from them, followed through the operators that
 * exported graphs do that with, so that their Reshapes keep their ranks. A dim may be symbolic. Scalars may be floats on
 * the way: the side of a square of patches is a root.
 */

import { add, multiply, quotient, subtract } from './dims.ts'
import { type Dim, dtypeOf, isFloatType, type Tensor } from './ir.ts'
import { axisOf, type Context } from './shapes.ts'

/** Integers in output 0, for the operators that shapes are computed with. */
export const INTEGERS: Record<string, (c: Context) => Dim[] | undefined> = {
  Shape: ({ x, int }) => {
    const { shape } = x[0]!
    return shape?.slice(axisOf(int('start', 0), shape.length), axisOf(int('end', shape.length), shape.length))
  },
  Size: ({ x }) => x[0]!.shape && [quotient(x[0]!.shape, [])],
  Constant: ({ node }) => {
    if (node.attrs.value_ints) return node.attrs.value_ints as number[]
    if (node.attrs.value_int !== undefined) return [node.attrs.value_int as number]
    const value = node.attrs.value as Tensor | undefined
    return value && (tensorIntegers(value) ?? floatScalar(value))
  },
  Pow: c => {
    const [[a], [b]] = [c.integers(0) ?? [], c.integers(1) ?? []]
    return typeof a === 'number' && typeof b === 'number' ? [a ** b] : undefined
  },
  Cast: c => {
    const floats = isFloatType(dtypeOf(c.int('to', 1)))
    return c.integers(0)?.map(dim => (typeof dim === 'number' && !floats ? Math.trunc(dim) : dim))
  },
  Gather: c => {
    const [data, at] = [c.integers(0), c.integers(1)]
    return data && at?.every(i => typeof i === 'number') ? at.map(i => data.at(i as number)!) : undefined
  },
  Concat: c => {
    const parts = c.node.inputs.map((_, i) => c.integers(i))
    return parts.every(part => part !== undefined) ? parts.flat() : undefined
  },
  Slice: c => {
    const [data, start, end, step] = [c.integers(0), c.integers(1)?.[0], c.integers(2)?.[0], c.integers(4)?.[0] ?? 1]
    if (!data || typeof start !== 'number' || typeof end !== 'number' || step !== 1) return undefined
    return data.slice(start, end)
  },
  ConstantOfShape: c => {
    const [length] = c.integers(0) ?? []
    const value = c.node.attrs.value ? tensorIntegers(c.node.attrs.value as Tensor)?.[0] : undefined
    return value !== undefined && c.integers(0)?.length === 1 && typeof length === 'number' && length < 64
      ? Array(length).fill(value)
      : undefined
  },
  /** 1 where equal; a size by name is never negative. */
  Equal: c => {
    const made = c.integers(0)?.map((a, i) => {
      const b = c.integers(1)?.[i]
      if (a === b) return 1
      const apart = typeof a === typeof b || [a, b].some(dim => typeof dim === 'number' && dim < 0)
      return apart && b !== undefined && !(typeof a === 'string' && typeof b === 'string') ? 0 : undefined
    })
    return made?.every(dim => dim !== undefined) && c.integers(1)?.length === made.length ? made : undefined
  },
  Where: c => {
    const [which, yes, no] = [0, 1, 2].map(i => c.integers(i))
    if (!which || yes?.length !== which.length || no?.length !== which.length) return undefined
    return which.map((w, i) => (w ? yes[i] : no[i]))
  },
  ...Object.fromEntries(['Unsqueeze', 'Squeeze', 'Identity', 'Reshape'].map(op => [op, (c: Context) => c.integers(0)])),
  ...Object.fromEntries(
    Object.entries({ Add: add, Sub: subtract, Mul: multiply, Div: (a: Dim, b: Dim) => quotient([a], [b]) }).map(
      ([op, rule]) => [
        op,
        (c: Context) => {
          const [a, b] = [c.integers(0), c.integers(1)]
          if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined
          const length = Math.max(a.length, b.length)
          return Array.from({ length }, (_, i) => rule(a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]))
        },
      ],
    ),
  ),
}

/** The values of a small int64, int32 or bool tensor held inline. */
export function tensorIntegers(tensor: Tensor): number[] | undefined {
  if (!('data' in tensor) || tensor.data.byteLength > 1024) return undefined
  const bytes = tensor.data.slice().buffer
  if (tensor.dtype === 'int64') return Array.from(new BigInt64Array(bytes), Number)
  if (tensor.dtype === 'bool') return Array.from(tensor.data)
  return tensor.dtype === 'int32' ? Array.from(new Int32Array(bytes)) : undefined
}

function floatScalar(tensor: Tensor): number[] | undefined {
  if (tensor.dtype !== 'float32' || tensor.shape.length > 0 || !('data' in tensor)) return undefined
  const [value] = new Float32Array(tensor.data.slice().buffer)
  return Number.isFinite(value) ? [value] : undefined
}
