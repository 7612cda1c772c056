/**
 * Products with a transposed weight as one node. ONNX Runtime would rather fold the transposes of weights into copies,
 * which takes a third of the time that a model of 1.5 billion parameters takes to open.
 */

import { Graph, type Node } from './ir.ts'
import { prune } from './prune.ts'

/** Turns MatMul(x, Wᵀ) into FusedMatMul(x, W) in `graph` and its subgraphs, in place. */
export function fuseTransposes(graph: Graph): void {
  fuse(graph, () => undefined)
  prune(graph)
}

function fuse(graph: Graph, outer: (value: string) => Node | undefined): void {
  const own = graph.producers()
  const maker = (value: string) => own.get(value) ?? outer(value)
  for (const node of graph.nodes) {
    for (const attribute of Object.values(node.attrs)) if (attribute instanceof Graph) fuse(attribute, maker)
    const transpose = node.op === 'MatMul' ? maker(node.inputs[1]) : undefined
    if (transpose?.op !== 'Transpose' || !isWeight(graph, maker, transpose.inputs[0])) continue
    node.op = 'FusedMatMul'
    node.domain = 'com.microsoft'
    node.inputs = [node.inputs[0], transpose.inputs[0]]
    node.attrs = { transB: 1 }
  }
}

/** A matrix of the model, stored in another dtype perhaps. */
function isWeight(graph: Graph, maker: (value: string) => Node | undefined, value: string): boolean {
  const cast = maker(value)
  const tensor = graph.initializer(cast?.op === 'Cast' ? cast.inputs[0] : value)
  return tensor?.shape.length === 2
}
