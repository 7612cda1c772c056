/**
 * Trained weights where a graph computes in half precision: they come in single precision, so that small updates are not
 * lost (Micikevicius et al. 2018, arXiv 1710.03740), and are cast where they are used. What is frozen stays as it is stored.
 */

import { copyOf } from '../graph/copy.ts'
import { DTYPE_CODES, type DType, type Graph, type Node } from '../graph/ir.ts'

/** `graph` with the weights `names` in single precision, whatever their tensors are stored in; another graph. */
export function inSingle(graph: Graph, names: { has(name: string): boolean }): Graph {
  const stored = new Map<string, DType>()
  for (const [name, { dtype }] of graph.initializers)
    if (names.has(name) && dtype !== 'float32') stored.set(name, dtype)
  const put = (g: Graph, node: Node) => {
    const cast = (value: string, dtype: DType, output: string) => {
      const attrs = { to: DTYPE_CODES[dtype] }
      if (!g.has(output)) g.add({ op: 'Cast', domain: '', name: `${output}/to`, inputs: [value], outputs: [output], attrs }) // biome-ignore format: one thought
      return output
    }
    for (const x of node.inputs) if (stored.has(x)) g.types.set(x, { dtype: 'float32', shape: graph.shape(x) })
    const [[first], [output]] = [node.inputs, node.outputs]
    if (node.op === 'Cast') return g.add(node)
    if (node.op === 'Gather' && stored.has(first)) {
      // Rows are looked up before they are cast, for the table is large.
      g.add({ ...node, outputs: [`${output}/single`] })
      cast(`${output}/single`, stored.get(first)!, output)
      return
    }
    g.add({ ...node, inputs: node.inputs.map(x => (stored.has(x) ? cast(x, stored.get(x)!, `${x}/cast`) : x)) })
  }
  return copyOf(graph, put)
}
