/** Nodes of a graph taken out into a graph of their own, for the operators of ours that run one. */

import { inline } from '../graph/inline.ts'
import { Graph, isFloatType, type Node, sizeOf } from '../graph/ir.ts'

/**
 * A graph of its own that holds copies of `nodes`; constants stay outside and are used by name.
 *
 * @param entries the values from outside that become inputs
 * @param outputs what it gives
 */
export function outline(graph: Graph, name: string, nodes: Node[], entries: string[], outputs: string[]): Graph {
  const part = new Graph(name, graph)
  const source = new Graph(name, graph)
  source.inputs = entries
  source.nodes = nodes
  source.outputs = outputs
  const bindings = Object.fromEntries(
    entries.map((value, i) => {
      const { dtype, shape } = graph.type(value)
      const integers = graph.integers(value)
      if (integers) part.known.set(`${name}/in${i}`, integers)
      part.input(`${name}/in${i}`, dtype, shape ?? [])
      if (!shape) part.types.set(`${name}/in${i}`, { dtype })
      return [value, `${name}/in${i}`]
    }),
  )
  const made = inline(part, source, bindings, `${name}/`)
  part.outputs = outputs.map(value => made[value])
  return part
}

/** What nodes read and do not make: values, and weights, which may have a gradient. Small constants stay where they are. */
export function entriesOf(graph: Graph, nodes: Node[]): string[] {
  const made = new Set(nodes.flatMap(node => node.outputs))
  const read = new Set(nodes.flatMap(node => node.inputs))
  const isConstant = (value: string) => {
    const tensor = graph.initializer(value)
    return tensor && (!isFloatType(tensor.dtype) || sizeOf(tensor.shape) === 1)
  }
  return [...read].filter(value => value && !made.has(value) && !isConstant(value))
}

/** Makes `value` known as `name`, whose type stays as it is. */
export function same(graph: Graph, value: string, name: string): void {
  const type = graph.types.get(name)
  graph.add({ op: 'Identity', domain: '', name, inputs: [value], outputs: [name], attrs: {} })
  if (type) graph.types.set(name, type)
}

/** Writes the nodes of one of our own operators by `write`, which appends what stands for them. */
export function written(graph: Graph, op: string, write: (graph: Graph, node: Node) => void): void {
  const own = (node: Node) => node.op === op && node.domain === 'sophia'
  while (graph.nodes.some(own)) {
    const nodes = graph.nodes
    graph.nodes = []
    for (const node of nodes) {
      if (own(node)) write(graph, node)
      else graph.nodes.push(node)
    }
  }
}
