/** A graph made anew, so that nodes can be replaced on the way while the original stays as it was read. */

import { unknown } from './dims.ts'
import { type DType, Graph, type Node } from './ir.ts'

/**
 * `graph` with each node put into the new graph by `put`; tensors and subgraphs are shared.
 *
 * @param put appends the node, or what is to stand for it
 * @param typed the dtype of an input, from the one that it had
 * @param parent the graph around the new one, where it is a branch or a body
 */
export function copyOf(
  graph: Graph,
  put: (into: Graph, node: Node) => void,
  typed: (dtype: DType) => DType = dtype => dtype,
  parent?: Graph,
): Graph {
  const result = new Graph(graph.name, parent)
  for (const name of [...graph.reserved, ...graph.types.keys(), ...graph.nodes.map(node => node.name)]) result.reserved.add(name) // biome-ignore format: one thought
  result.inputs = [...graph.inputs]
  for (const input of graph.inputs) {
    const type = graph.type(input)
    result.types.set(input, { ...type, dtype: typed(type.dtype) })
  }
  for (const [name, tensor] of graph.initializers) result.weight(name, tensor)
  for (const [name, integers] of graph.known) result.known.set(name, integers)
  for (const node of graph.nodes) {
    put(result, node)
    for (const output of node.outputs) if (output) recall(result, output, graph, output)
  }
  result.outputs = [...graph.outputs]
  return result
}

/** Where inference leaves the rank of `value` open and `source` knows more (from a file), that is kept. */
export function recall(graph: Graph, value: string, from: Graph, source: string): void {
  const shape = from.types.get(source)?.shape
  if (!shape || !graph.types.has(value) || graph.shape(value)) return
  const { dtype } = graph.type(value)
  graph.types.set(value, { dtype, shape: shape.map(dim => (typeof dim === 'number' ? dim : unknown())) })
}
