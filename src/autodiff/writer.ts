/**
 * Short names for what rules and decompositions do: read a node's attributes and constants, and write the operators
 * that gradients are made of.
 */

import { UserError } from '../errors.ts'
import {
  type Attribute,
  bytesOf,
  DTYPE_CODES,
  type DType,
  Float,
  type Graph,
  type Node,
  type Tensor,
} from '../graph/ir.ts'

export class Writer {
  /** The node that makes a value, where that is known. */
  readonly producer: (value: string) => Node | undefined = () => undefined

  constructor(
    readonly graph: Graph,
    readonly node: Node,
    /** Put before the names of new values. */
    private readonly prefix: string,
  ) {}

  /** The inputs. */
  get x() {
    return this.node.inputs
  }

  /** The first output. */
  get y() {
    return this.node.outputs[0]
  }

  // --- attributes and constants

  int(name: string, fallback: number): number {
    return (this.node.attrs[name] as number | undefined) ?? fallback
  }

  list(name: string): number[] | undefined {
    return this.node.attrs[name] as number[] | undefined
  }

  text(name: string, fallback: string): string {
    return (this.node.attrs[name] as string | undefined) ?? fallback
  }

  float(name: string, fallback: number): number {
    const value = this.node.attrs[name]
    return value instanceof Float ? value.value : fallback
  }

  /** An axis counted from the front. */
  axis(axis: number, rank: number): number {
    return axis < 0 ? axis + rank : axis
  }

  /** Integers in a value that are known while building and are all numbers. */
  numbers(value: string): number[] | undefined {
    const found = value ? this.graph.integers(value) : undefined
    return found?.every(n => typeof n === 'number') ? (found as number[]) : undefined
  }

  /** The number in a float constant of one element, where `value` is one. */
  constant(value: string): number | undefined {
    const tensor = this.graph.initializer(value) ?? (this.producer(value)?.attrs.value as Tensor | undefined)
    if (!tensor || !('data' in tensor) || tensor.data.byteLength !== bytesOf(tensor.dtype)) return undefined
    const { buffer } = tensor.data.slice()
    if (tensor.dtype === 'float32') return new Float32Array(buffer)[0]
    return tensor.dtype === 'float64' ? new Float64Array(buffer)[0] : undefined
  }

  /** A float constant of the dtype that the node computes in. */
  scalar(value: number): string {
    return this.graph.scalar(value, this.graph.type(this.y).dtype)
  }

  // --- writing

  op(op: string, inputs: string[], attrs: Record<string, Attribute> = {}): string {
    return this.graph.op(op, inputs, attrs, `${this.prefix}${op}`)
  }
  add(a: string, b: string) {
    return this.op('Add', [a, b])
  }
  sub(a: string, b: string) {
    return this.op('Sub', [a, b])
  }
  mul(a: string, b: string | number) {
    return this.op('Mul', [a, typeof b === 'number' ? this.scalar(b) : b])
  }
  div(a: string, b: string) {
    return this.op('Div', [a, b])
  }
  neg(a: string) {
    return this.op('Neg', [a])
  }
  /** `g` where `condition` holds, else 0. */
  gate(condition: string, g: string) {
    return this.op('Where', [condition, g, this.scalar(0)])
  }
  /** The sum over `axes` (of all elements where absent), which stay as 1 unless told otherwise. */
  sum(a: string, axes?: number[] | string, keepdims = 1) {
    if (!axes) return this.op('ReduceSum', [a], { keepdims })
    return this.op('ReduceSum', [a, typeof axes === 'string' ? axes : this.graph.ints(axes)], { keepdims })
  }
  concat(parts: string[], axis: number) {
    return parts.length === 1 ? parts[0] : this.op('Concat', parts, { axis })
  }
  unsqueeze(a: string, ...axes: number[]) {
    return this.op('Unsqueeze', [a, this.graph.ints(axes)])
  }
  squeeze(a: string, ...axes: number[]) {
    return this.op('Squeeze', [a, this.graph.ints(axes)])
  }
  mean(a: string, axes: number[]) {
    return this.op('ReduceMean', [a, this.graph.ints(axes)], { keepdims: 1 })
  }
  transpose(a: string, perm: number[]) {
    return perm.every((axis, i) => axis === i) ? a : this.op('Transpose', [a], { perm })
  }
  reshape(a: string, shape: number[] | string) {
    return this.op('Reshape', [a, typeof shape === 'string' ? shape : this.graph.ints(shape)])
  }

  /** The sizes of a value as an int64 vector; of `axes` only, where given. A constant where they are known. */
  dims(value: string, axes?: number[]): string {
    return dimsOf(this.graph, value, axes)
  }

  many(op: string, inputs: string[], count: number, attrs: Record<string, Attribute> = {}): string[] {
    return this.graph.many(op, inputs, count, attrs, `${this.prefix}${op}`)
  }

  /** Refuses a variant of the operator that the rule does not cover. */
  refuse(what: string): never {
    throw new UserError(
      `cannot differentiate ${what} (node ${this.node.name}, operator ${this.node.op}): not covered. ` +
        'Extend its rule in src/autodiff/rules or its decomposition in src/autodiff/fused.',
    )
  }
}

/** Zeros put around a value. CUDA has no Pad in bfloat16, so it goes through single precision. */
export function padded(graph: Graph, value: string, pads: string, axes: string): string {
  const { dtype } = graph.type(value)
  const to = (x: string, type: DType) => (dtype === 'bfloat16' ? graph.op('Cast', [x], { to: DTYPE_CODES[type] }) : x)
  return to(graph.op('Pad', [to(value, 'float32'), pads, '', axes]), dtype)
}

/** The sizes of `value` (of `axes` only, where given) as an int64 vector, without keeping the value where that can be. */
export function dimsOf(graph: Graph, value: string, axes?: number[]): string {
  const shape = graph.shape(value)
  const wanted = shape && axes ? axes.map(axis => shape.at(axis)!) : shape
  if (wanted?.every(dim => typeof dim === 'number')) return graph.ints(wanted as number[])
  const sizes = wanted?.map(dim => graph.size(dim))
  if (sizes?.every(size => size !== undefined)) return graph.op('Concat', sizes, { axis: 0 }, 'grad/Concat')
  const all = graph.op('Shape', [value], {}, 'grad/Shape')
  return axes ? graph.op('Gather', [all, graph.ints(axes)], {}, 'grad/Gather') : all
}
