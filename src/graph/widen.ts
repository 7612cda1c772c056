/**
 * A graph that computes in half precision, made to compute in single: what training needs. Weights stay as they are
 * stored and are cast where they are used. Left out: subgraphs (If, Loop), which go in as they are.
 */

import { copyOf } from './copy.ts'
import { DTYPE_CODES, type DType, type Graph, type Node, type Tensor } from './ir.ts'

const isHalf = (dtype: DType) => dtype === 'float16' || dtype === 'bfloat16'
const HALF = [DTYPE_CODES.float16, DTYPE_CODES.bfloat16]

/** `graph` in single precision; the same graph where it is. */
export function widened(graph: Graph): Graph {
  const computes = ({ op, outputs }: Node) => op !== 'Transpose' && outputs.some(y => y && isHalf(graph.type(y).dtype))
  if (!graph.nodes.some(computes)) return graph
  const wide = new Map<string, string>()
  const put = (g: Graph, node: Node) => {
    const inputs = node.inputs.map(input => {
      if (!g.initializers.has(input) || !isHalf(g.type(input).dtype)) return input
      if (!wide.has(input)) wide.set(input, g.op('Cast', [input], { to: 1 }, `${input}/wide`))
      return wide.get(input)!
    })
    const attrs = HALF.includes(node.attrs.to as number) ? { ...node.attrs, to: 1 } : node.attrs
    const value = attrs.value as Tensor | undefined
    if (!value || !isHalf(value.dtype)) return g.add({ ...node, inputs, attrs })
    // A constant's dtype is that of its value: what it makes is cast.
    const [output] = node.outputs
    g.add({ ...node, inputs, outputs: [`${output}/half`] })
    g.op('Cast', [`${output}/half`], { to: 1 }, output)
  }
  return copyOf(graph, put, dtype => (isHalf(dtype) ? 'float32' : dtype))
}
