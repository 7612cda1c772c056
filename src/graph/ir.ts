/**
 * An ONNX graph as plain data that is pleasant to build and to rewrite.
 *
 * A value is its name: `const y = g.op('MatMul', [x, w])` appends a node and returns the name of its output. Types
 * (dtype, shape) are inferred as nodes are added, so every rewrite can ask for the rank of what it holds. Subgraphs
 * (Loop, If) are Graphs whose `parent` is the graph around them; they may use the parent's values by name.
 * Left out: maps, optionals, sparse tensors and model-local functions.
 */

import { inferNode } from './infer.ts'

export type DType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'uint4'
  | 'int4'
  | 'bool'
  | 'string'

/** A size that is known, or the name of one that is not. Equal names are equal sizes. */
export type Dim = number | string

export interface TensorType {
  dtype: DType
  /** Absent where even the rank is unknown. */
  shape?: Dim[]
  /** Whether it is a sequence of such tensors, of whatever shapes. */
  sequence?: true
}

/** A constant tensor: its little-endian bytes, or where they lie in a file beside the model. */
export type Tensor = { dtype: DType; shape: number[] } & (
  | { data: Uint8Array }
  | { file: string; offset: number; length: number }
)

/** Marks an attribute as ONNX `float`; a bare number is an `int`. */
export class Float {
  constructor(readonly value: number) {}
}
export const float = (value: number) => new Float(value)

export type Attribute = number | Float | string | number[] | Float32Array | string[] | Tensor | Graph

export interface Node {
  op: string
  /** '' is ONNX itself. */
  domain: string
  name: string
  /** '' is an optional input that is absent. */
  inputs: string[]
  outputs: string[]
  attrs: Record<string, Attribute>
}

export interface Model {
  graph: Graph
  /** Operator-set version by domain. */
  opsets: Record<string, number>
  metadata: Record<string, string>
}

/** What our own graphs are written in. ONNX Runtime's CUDA kernels lag behind the newest sets. */
export const OPSETS: Record<string, number> = { '': 21, 'com.microsoft': 1 }

/** Operators of ONNX Runtime's own domain, which `op` finds by name. */
const MICROSOFT = new Set([
  'FusedMatMul',
  'GroupQueryAttention',
  'MultiHeadAttention',
  'RotaryEmbedding',
  'MRotaryEmbedding',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
  'QuickGelu',
  'FastGelu',
  'BiasGelu',
  'MatMulNBits',
  'GatherBlockQuantized',
])

const BYTES: Partial<Record<DType, number>> = {
  float64: 8, int64: 8, uint64: 8, float32: 4, int32: 4, uint32: 4,
  float16: 2, bfloat16: 2, int16: 2, uint16: 2, int8: 1, uint8: 1, bool: 1,
  uint4: 0.5, int4: 0.5,
} // biome-ignore format: a table

/** float32, float16, bfloat16, float64 */
export const isFloatType = (dtype: DType) => /^b?float/.test(dtype)
export const bytesOf = (dtype: DType) => BYTES[dtype] ?? 0
export const sizeOf = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

export class Graph {
  inputs: string[] = []
  outputs: string[] = []
  nodes: Node[] = []
  readonly initializers = new Map<string, Tensor>()
  readonly types = new Map<string, TensorType>()
  /** Integer values known while building (shapes and what is computed from them), by name; dims may be symbolic. */
  readonly known = new Map<string, Dim[]>()
  /** Names that are to come, so that `fresh` leaves them alone. */
  readonly reserved = new Set<string>()
  private readonly constants = new Map<string, string>()
  private readonly holders = new Map<string, string>()
  private looked = 0
  private counter = 0

  constructor(
    readonly name = 'graph',
    readonly parent?: Graph,
  ) {}

  // --- reading

  /** The type of a value of this graph or of one around it. Throws where there is no such value. */
  type(value: string): TensorType {
    const type = this.types.get(value) ?? this.parent?.type(value)
    if (!type) throw new Error(`graph ${this.name}: no value named ${value}`)
    return type
  }

  has(value: string): boolean {
    return this.types.has(value) || (this.parent?.has(value) ?? false)
  }

  /** The shape of a value, or undefined where its rank is unknown. */
  shape(value: string): Dim[] | undefined {
    return this.type(value).shape
  }

  /** The rank of a value. Throws where it is unknown. */
  rank(value: string): number {
    const { shape } = this.type(value)
    if (!shape) throw new Error(`graph ${this.name}: the rank of ${value} is unknown`)
    return shape.length
  }

  /** The integers in `value` where they are known while building. */
  integers(value: string): Dim[] | undefined {
    return this.known.get(value) ?? this.parent?.integers(value)
  }

  /**
   * The value of a size as an int64 vector of one, put together from values that are known to hold it; undefined where
   * there are none. Better than the Shape of a large value, which would have to be kept for that.
   */
  size(dim: Dim): string | undefined {
    if (typeof dim === 'number') return this.ints([dim])
    if (dim.includes('+') || dim.includes('(')) return this.holder(dim)
    const factors = dim
      .split('*')
      .map(factor => (/^\d+$/.test(factor) ? this.ints([Number(factor)]) : this.holder(factor)))
    if (!factors.every(factor => factor !== undefined)) return this.holder(dim)
    return factors.reduce((a, b) => this.op('Mul', [a, b]))
  }

  private holder(symbol: string): string | undefined {
    const fresh = [...this.known].slice(this.looked)
    this.looked = this.known.size
    for (const [value, [dim, ...more]] of fresh) {
      if (typeof dim !== 'string' || more.length > 0 || this.holders.has(dim)) continue
      if (this.types.get(value)?.shape?.length === 1) this.holders.set(dim, value)
    }
    return this.holders.get(symbol) ?? this.parent?.holder(symbol)
  }

  initializer(value: string): Tensor | undefined {
    return this.initializers.get(value) ?? this.parent?.initializer(value)
  }

  /** The node that makes each value of this graph (not of subgraphs). */
  producers(): Map<string, Node> {
    return new Map(this.nodes.flatMap(node => node.outputs.map(output => [output, node] as const)))
  }

  // --- building

  input(name: string, dtype: DType, shape: Dim[]): string {
    this.inputs.push(name)
    this.types.set(name, { dtype, shape })
    return name
  }

  /** Makes `value` an output; under `name`, where given. */
  output(value: string, name?: string): string {
    const out = name && name !== value ? this.op('Identity', [value], {}, name) : value
    this.outputs.push(out)
    return out
  }

  /** Adds a weight under its own name. */
  weight(name: string, tensor: Tensor): string {
    this.initializers.set(name, tensor)
    this.types.set(name, { dtype: tensor.dtype, shape: tensor.shape })
    return name
  }

  /** An int64 constant, a scalar or a vector; equal ones are shared. */
  ints(values: number | number[]): string {
    const list = typeof values === 'number' ? [values] : values
    const data = new Uint8Array(BigInt64Array.from(list, BigInt).buffer)
    const shape = typeof values === 'number' ? [] : [list.length]
    return this.constant(`ints:${JSON.stringify(values)}`, { dtype: 'int64', shape, data }, list)
  }

  /** A float scalar constant. */
  scalar(value: number, dtype: DType = 'float32'): string {
    if (dtype === 'float64')
      return this.constant(`double:${value}`, { dtype, shape: [], data: new Uint8Array(Float64Array.of(value).buffer) })
    const tensor: Tensor = { dtype: 'float32', shape: [], data: new Uint8Array(Float32Array.of(value).buffer) }
    const name = this.constant(`scalar:${value}`, tensor)
    return dtype === 'float32' ? name : this.op('Cast', [name], { to: DTYPE_CODES[dtype] })
  }

  /** A constant tensor of floats. */
  floats(values: ArrayLike<number>, shape: number[]): string {
    const data = Float32Array.from(values)
    const name = this.fresh('const')
    return this.weight(name, { dtype: 'float32', shape, data: new Uint8Array(data.buffer) })
  }

  /** Appends a node with one output and returns that output's name; outside subgraphs `hint` names it where the name is free. */
  op(op: string, inputs: string[], attrs: Record<string, Attribute> = {}, hint?: string): string {
    return this.many(op, inputs, 1, attrs, hint)[0]
  }

  /** Appends a node with `count` outputs. */
  many(op: string, inputs: string[], count: number, attrs: Record<string, Attribute> = {}, hint?: string): string[] {
    const base = hint && !this.parent && !this.has(hint) ? hint : this.fresh(hint ?? op)
    const outputs = Array.from({ length: count }, (_, i) => (i === 0 ? base : `${base}:${i}`))
    const node = { op, domain: MICROSOFT.has(op) ? 'com.microsoft' : '', name: base, inputs, outputs, attrs }
    this.add(node)
    return outputs
  }

  /** Appends a node as it is, and infers the types of its outputs. Throws where an input does not exist. */
  add(node: Node): void {
    for (const input of node.inputs) if (input) this.type(input)
    inferNode(this, node)
    this.nodes.push(node)
  }

  /** A name that no value of this graph has or will have. Subgraphs prefix theirs, for ONNX forbids shadowing. */
  fresh(hint: string): string {
    for (;;) {
      const name = `${this.parent ? `${this.name}/` : ''}${hint}_${this.counter++}`
      if (!this.has(name) && !this.reserved.has(name)) return name
    }
  }

  private constant(key: string, tensor: Tensor, integers?: number[]): string {
    const found = this.constants.get(key)
    if (found && this.initializers.has(found)) return found // pruning may have removed it
    const name = this.weight(this.fresh('const'), tensor)
    if (integers) this.known.set(name, integers)
    this.constants.set(key, name)
    return name
  }
}

/** ONNX's TensorProto.DataType. */
export const DTYPE_CODES: Record<DType, number> = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9,
  float16: 10, float64: 11, uint32: 12, uint64: 13, bfloat16: 16,
  uint4: 21, int4: 22,
} // biome-ignore format: a table

export const dtypeOf = (code: number): DType => {
  const found = (Object.keys(DTYPE_CODES) as DType[]).find(dtype => DTYPE_CODES[dtype] === code)
  if (!found) throw new Error(`ONNX data type ${code} is not supported`)
  return found
}
