/** What graphs that others exported need before they can stand beside ours. */

import type { Dim, Graph, Model, Node } from '../graph/ir.ts'
import { Graph as Subgraph } from '../graph/ir.ts'
import { upgraded } from '../graph/upgrade.ts'
import type { Decoder } from './config.ts'

type Names = { has(name: string): boolean }

/**
 * A graph as it was read, in our operator set and with the caches' sizes, which some exporters leave open.
 *
 * @param apart the graph's name, where it is one of several: what it calls by no checkpoint's name becomes its own,
 *   for graphs put together share weights by name, and exporters number theirs from the start in each
 * @param held the checkpoint's names
 */
export function settled(model: Model, { kvHeads, headDim }: Decoder, apart?: string, held: Names = new Set()): Model {
  const { graph } = model
  for (const name of graph.inputs) {
    const { dtype, shape } = graph.type(name)
    if (!name.startsWith('past_key_values.') || shape?.length !== 4) continue
    const known = (dim: Dim, size: number) => (typeof dim === 'number' ? dim : size)
    graph.types.set(name, { dtype, shape: [shape[0], known(shape[1], kvHeads), shape[2], known(shape[3], headDim)] })
  }
  if (apart) own(graph, `${apart}/`, held)
  return upgraded(model)
}

/** Puts the prefix before all initializers but weights and what has it already. */
function own(graph: Graph, prefix: string, held: Names): void {
  const names = new Map<string, string>()
  for (const name of graph.initializers.keys()) {
    const shared = held.has(name) || /\.(weight|bias)$/.test(name) || name.startsWith('const_')
    if (!shared && !name.startsWith(prefix)) names.set(name, prefix + name)
  }
  for (const [from, to] of names) {
    graph.weight(to, graph.initializers.get(from)!)
    graph.initializers.delete(from)
    graph.types.delete(from)
    const integers = graph.known.get(from)
    if (integers) graph.known.set(to, integers)
  }
  const rename = (node: Node) => {
    node.inputs = node.inputs.map(input => names.get(input) ?? input)
    for (const inner of Object.values(node.attrs)) {
      if (!(inner instanceof Subgraph)) continue
      inner.nodes.forEach(rename)
      inner.outputs = inner.outputs.map(output => names.get(output) ?? output)
    }
  }
  graph.nodes.forEach(rename)
  graph.outputs = graph.outputs.map(output => names.get(output) ?? output)
}
