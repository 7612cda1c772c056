/**
 * Low-rank adapters (Hu et al. 2021) in a graph: a product x Wᵀ whose weight has one becomes x Wᵀ + s · (x Aᵀ) Bᵀ.
 * W stays as it is stored. Training gives A and B from its state, sampling from a saved adapter.
 */

import { DTYPE_CODES, Graph, type Node, type Tensor } from '../graph/ir.ts'

export interface LowRank {
  /** Name and value of A (rank, in) and of B (out, rank). */
  a: { name: string; start: Tensor }
  b: { name: string; start: Tensor }
  /** alpha / rank */
  scale: number
}

/**
 * `graph` with adapters beside its weights; another graph, the nodes shared.
 *
 * @param adapterOf the adapter of a weight (out, in), by the weight's name; undefined where it has none
 */
export function beside(graph: Graph, adapterOf: (weight: string, shape: number[]) => LowRank | undefined): Graph {
  const result = new Graph(graph.name)
  for (const input of graph.inputs) result.input(input, graph.type(input).dtype, graph.shape(input)!)
  for (const [name, tensor] of graph.initializers) result.weight(name, tensor)
  for (const [name, integers] of graph.known) result.known.set(name, integers)
  const makers = graph.producers()
  for (const node of graph.nodes) {
    const weight = weightOf(graph, node, makers)
    const adapter = weight && adapterOf(weight, graph.shape(weight) as number[])
    if (adapter) addBeside(result, node, adapter)
    else result.add(node)
  }
  result.outputs = [...graph.outputs]
  return result
}

function addBeside(g: Graph, node: Node, { a, b, scale }: LowRank): void {
  for (const { name, start } of [a, b]) g.weight(name, start)
  const [[x], [output]] = [node.inputs, node.outputs]
  const plain = `${output}/plain`
  g.add({ ...node, outputs: [plain] })
  const { dtype } = g.type(x)
  const times = (y: string, name: string) =>
    g.op('MatMul', [y, g.op('Transpose', [as(g, name, dtype)], { perm: [1, 0] })])
  const low = times(times(x, a.name), b.name) // (…, in) → (…, rank) → (…, out)
  const inputs = [plain, g.op('Mul', [low, g.scalar(scale, dtype)])]
  g.add({ op: 'Add', domain: '', name: `${output}/adapted`, inputs, outputs: [output], attrs: {} })
}

const as = (g: Graph, value: string, dtype: Tensor['dtype']) =>
  g.type(value).dtype === dtype ? value : g.op('Cast', [value], { to: DTYPE_CODES[dtype] })

/** The weight W of a node MatMul(x, Transpose(W)), which may be stored in another dtype. */
function weightOf(graph: Graph, node: Node, makers: Map<string, Node>): string | undefined {
  if (node.op !== 'MatMul') return undefined
  const transpose = makers.get(node.inputs[1])
  if (transpose?.op !== 'Transpose') return undefined
  const cast = makers.get(transpose.inputs[0])
  const weight = cast?.op === 'Cast' ? cast.inputs[0] : transpose.inputs[0]
  return graph.initializers.has(weight) ? weight : undefined
}
