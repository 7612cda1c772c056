/** What a rule sees: one node of the forward graph and the gradients of its outputs. */

import { DTYPE_CODES, type DType, type Graph, type Node, type Tensor } from '../../graph/ir.ts'
import { dimsOf, Writer } from '../writer.ts'

/**
 * The gradients of a node's inputs, from those of its outputs; `null` (or nothing) for an input that is not
 * differentiable by design. A gradient may still have the broadcast shape: the walk reduces it to the input's.
 */
export type Rule = (site: Site) => (string | null)[]

export class Site extends Writer {
  constructor(
    graph: Graph,
    node: Node,
    /** The gradient of each output; undefined where the loss does not depend on it. */
    readonly arriving: (string | undefined)[],
    /** Whether the gradient of input `i` is wanted: for rules that refuse, or that are dear. */
    readonly wanted: (i: number) => boolean,
    override readonly producer: (value: string) => Node | undefined,
    /** The walk itself, for rules that write subgraphs. */
    readonly pullback: (graph: Graph, seeds: Map<string, string>, wrt: string[]) => Map<string, string>,
  ) {
    super(graph, node, `grad/${node.name}/`)
  }

  /** The gradient of the first output. */
  get g() {
    return this.gradient(0)
  }

  /** The gradient of output `i`, zeros where none arrives. */
  gradient(i: number): string {
    return this.arriving[i] ?? this.zeros(this.node.outputs[i])
  }

  /** Zeros of the shape of `value`. */
  zeros(value: string): string {
    return zeros(this.graph, value)
  }
}

/** Zeros of the shape and dtype of `value`. */
export function zeros(graph: Graph, value: string): string {
  const { dtype } = graph.type(value)
  return filled(graph, dimsOf(graph, value), 0, dtype)
}

/** A tensor of the sizes in `dims` whose elements are all 0 or 1. */
export function filled(graph: Graph, dims: string, value: 0 | 1, dtype: DType): string {
  const bytes: Partial<Record<DType, Uint8Array>> = {
    float32: new Uint8Array(Float32Array.of(value).buffer),
    float64: new Uint8Array(Float64Array.of(value).buffer),
  }
  const data = bytes[dtype]
  const constant: Tensor = { dtype: data ? dtype : 'float32', shape: [1], data: data ?? bytes.float32! }
  const made = graph.op('ConstantOfShape', [dims], { value: constant }, 'grad/zeros')
  return data ? made : graph.op('Cast', [made], { to: DTYPE_CODES[dtype] }, 'grad/zeros')
}
