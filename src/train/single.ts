/**
 * Trained weights where a graph computes in half precision: they come in single precision, so that small updates are not
 * lost (Micikevicius et al. 2018, arXiv 1710.03740), and are cast where they are used. What is frozen stays as it is stored.
 */

import { DTYPE_CODES, type DType, Graph } from '../graph/ir.ts'

/** `graph` with the weights `names` in single precision, though their tensors may be stored otherwise; another graph. */
export function inSingle(graph: Graph, names: { has(name: string): boolean }): Graph {
  const result = new Graph(graph.name)
  const stored = new Map<string, DType>()
  for (const input of graph.inputs) result.input(input, graph.type(input).dtype, graph.shape(input)!)
  for (const [name, tensor] of graph.initializers) {
    result.weight(name, tensor)
    if (!names.has(name) || tensor.dtype === 'float32') continue
    stored.set(name, tensor.dtype)
    result.types.set(name, { dtype: 'float32', shape: tensor.shape })
  }
  for (const [name, integers] of graph.known) result.known.set(name, integers)
  const cast = (value: string, dtype: DType, output: string) => {
    const attrs = { to: DTYPE_CODES[dtype] }
    if (!result.has(output)) result.add({ op: 'Cast', domain: '', name: `${output}/to`, inputs: [value], outputs: [output], attrs }) // biome-ignore format: one thought
    return output
  }
  for (const node of graph.nodes) {
    const [first] = node.inputs
    if (node.op === 'Cast') result.add(node)
    else if (node.op === 'Gather' && stored.has(first)) {
      // Rows are looked up before they are cast, for the table is large.
      const [output] = node.outputs
      result.add({ ...node, outputs: [`${output}/single`] })
      cast(`${output}/single`, stored.get(first)!, output)
    } else {
      const inputs = node.inputs.map(x => (stored.has(x) ? cast(x, stored.get(x)!, `${x}/cast`) : x))
      result.add({ ...node, inputs })
    }
  }
  result.outputs = [...graph.outputs]
  return result
}
