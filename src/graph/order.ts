/** Brings nodes that were put in out of order, as rewrites do, behind what they read; where possible they stay as they were. */

import type { Graph, Node } from './ir.ts'
import { reads } from './prune.ts'

export function order(graph: Graph): void {
  const makers = graph.producers()
  const done = new Set<Node>()
  const sorted: Node[] = []
  const visit = (node: Node | undefined) => {
    if (!node || done.has(node)) return
    done.add(node)
    for (const value of reads(node)) visit(makers.get(value))
    sorted.push(node)
  }
  for (const node of graph.nodes) visit(node)
  graph.nodes = sorted
}
