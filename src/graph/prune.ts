/** Removes what no output needs: nodes, and the weights that only they used. */

import { Graph, type Node } from './ir.ts'

/** Names that a node reads, those that its subgraphs take from around them included. */
export function reads(node: Node): string[] {
  const inner = Object.values(node.attrs).flatMap(value =>
    value instanceof Graph ? [...value.nodes.flatMap(reads), ...value.outputs] : [],
  )
  return [...node.inputs, ...inner].filter(Boolean)
}

/** Prunes `graph` in place. */
export function prune(graph: Graph): void {
  const needed = new Set(graph.outputs)
  const kept: Node[] = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(output => needed.has(output))) continue
    for (const name of reads(node)) needed.add(name)
    kept.push(node)
  }
  graph.nodes = kept.reverse()
  for (const name of graph.initializers.keys()) if (!needed.has(name)) graph.initializers.delete(name)
}
