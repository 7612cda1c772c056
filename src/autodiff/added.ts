/**
 * Adding a gradient to a sum without a third tensor of its size beside the two: what makes the gradient is made to start
 * from the sum where it can. A vocabulary's matrix is the largest tensor of a small model, and its gradient has two
 * parts where the head is tied to the embedding.
 */

import type { Graph, Node, Tensor } from '../graph/ir.ts'

/** sum + made. `made` is not to be used for anything else; `makers` finds the nodes that make it and its parts. */
export function added(graph: Graph, sum: string, made: string, makers = graph.producers()): string {
  const rank = (node: Node, value: string) => ORDER.findIndex(fits => fits(graph, makers, node, value))
  const parts = partsOf(makers, made).map(value => ({ value, node: makers.get(value) }))
  const order = parts.map(({ node, value }) => (node ? rank(node, value) : -1)).map(at => (at < 0 ? 1 : at))
  const sorted = parts.map((part, i) => ({ ...part, at: order[i] })).sort((a, b) => a.at - b.at)
  let total = sum
  for (const { value, node, at } of sorted) {
    if (at === 0 && total === sum) {
      node!.inputs[node!.outputs.indexOf(value) + 2] = sum // the Loop starts from the sum
      total = value
    } else if (at === 2) {
      const { transA = 0, transB = 0, alpha } = node!.attrs
      total = graph.op('Gemm', [...node!.inputs, total], { transA, transB, ...(alpha && { alpha }) })
    } else if (at === 3) {
      const [, ...rest] = node!.inputs
      total = graph.op('ScatterElements', [total, ...rest], node!.attrs)
    } else total = graph.op('Add', [total, value])
  }
  graph.types.set(total, graph.type(made))
  return total
}

type Fits = (graph: Graph, makers: Map<string, Node>, node: Node, value: string) => boolean

/** In this order parts are added: sums of a Loop over blocks, whatever else, products of matrices, look-ups' gradients. */
const ORDER: Fits[] = [
  (_, makers, { op, inputs, outputs }, value) =>
    op === 'Loop' && isZeros(makers.get(inputs[outputs.indexOf(value) + 2])),
  () => false,
  (graph, _, { op, inputs }) =>
    (op === 'MatMul' || op === 'FusedMatMul') && inputs.every(x => graph.shape(x)?.length === 2),
  (_, makers, { op, inputs, attrs }) =>
    op === 'ScatterElements' && attrs.reduction === 'add' && isZeros(makers.get(inputs[0])),
]

/** What a sum is the sum of. */
function partsOf(makers: Map<string, Node>, value: string): string[] {
  const node = makers.get(value)
  if (!node || (node.op !== 'Add' && node.op !== 'Sum') || !node.name.includes('grad/Sum')) return [value]
  return node.inputs.flatMap(input => partsOf(makers, input))
}

/** Whether the node makes nothing but zeros. */
export function isZeros(node: Node | undefined): boolean {
  if (node?.op !== 'ConstantOfShape') return false
  const value = node.attrs.value as Tensor | undefined
  return !value || ('data' in value && value.data.every(byte => byte === 0))
}
