/** The last step before a graph is run: operators of our own, which only the gradient needed, become ONNX's. */

import { inline } from '../graph/inline.ts'
import { float, Graph, type Node } from '../graph/ir.ts'
import { prune } from '../graph/prune.ts'
import { blocksOf } from './blocks.ts'
import { BlockLoop } from './loop.ts'
import { same, written } from './outline.ts'
import { pictureByPicture } from './pictures.ts'
import { swapsLastTwo } from './rules/matmul.ts'

/** Writes the operators of our own in `graph` and in the graphs within it; leaves only what outputs need. */
export function lower(graph: Graph): void {
  pictureByPicture(graph)
  written(graph, 'InBlocks', forward)
  written(graph, 'LogPartition', (g, { inputs, outputs }) => same(g, inputs[0], outputs[0])) // only its gradient is of its own
  for (const { attrs } of graph.nodes) for (const attr of Object.values(attrs)) if (attr instanceof Graph) lower(attr)
  fuse(graph)
  prune(graph)
}

/** Products with a transposed matrix take it as it lies: ONNX Runtime would keep a transposed copy of every frozen weight. */
function fuse(graph: Graph): void {
  const makers = graph.producers()
  graph.nodes = graph.nodes.map(node => {
    const turned = node.op === 'MatMul' && makers.get(node.inputs[1])
    if (!turned || !swapsLastTwo(turned, graph.rank(node.inputs[1]))) return node
    const attrs = { transA: 0, transB: 1, alpha: float(1) }
    return { ...node, op: 'FusedMatMul', domain: 'com.microsoft', inputs: [node.inputs[0], turned.inputs[0]], attrs }
  })
}

function forward(graph: Graph, node: Node): void {
  const blocks = blocksOf(node)
  if (blocks.size === 0) {
    const { part, entries } = blocks
    const bindings = Object.fromEntries(part.inputs.map((input, i) => [input, entries[i].value]))
    const made = inline(graph, part, bindings, graph.fresh('part'))
    node.outputs.forEach((output, i) => {
      same(graph, made[part.outputs[i]], output)
    })
    return
  }
  const loop = new BlockLoop(graph, blocks)
  const made = loop.runPart(blocks.part, loop.entries())
  for (const value of made) loop.stack(value)
  loop.finish().forEach((value, i) => {
    same(graph, loop.joined(value, blocks.axis, blocks.unit, graph.type(node.outputs[i]).shape!), node.outputs[i])
  })
}
