/**
 * Ifs whose condition is known while a graph is read, replaced by the branch that is taken: exporters write the squeeze
 * of an axis that might not be 1 as an If on a shape, and two graphs in one file as an If on an input.
 */

import { recall } from './copy.ts'
import { copy } from './inline.ts'
import { Graph, type Node } from './ir.ts'

/**
 * `graph` with the branches taken that are known, another graph; the same where it has no If. What was inside a branch
 * keeps its name where that is free.
 *
 * @param given inputs that are known; the result does not have them
 */
export function decided(graph: Graph, given: Record<string, boolean> = {}): Graph {
  if (!graph.nodes.some(({ op }) => op === 'If')) return graph
  const result = new Graph(graph.name)
  for (const name of [...graph.reserved, ...graph.types.keys(), ...graph.nodes.map(node => node.name)]) result.reserved.add(name) // biome-ignore format: one thought
  for (const input of graph.inputs) {
    const { dtype, shape } = graph.type(input)
    if (!(input in given)) result.input(input, dtype, shape!)
  }
  const names = put(result, graph, given, new Map(), new Set())
  for (const output of graph.outputs) result.output(names.get(output)!, output)
  return result
}

/**
 * Appends the tensors and nodes of a graph or branch.
 *
 * @param outer the names in `into` of the values around it
 * @param nodes the names of the nodes that `into` has, each of which must be the only one
 * @returns the names in `into` of its values
 */
function put(
  into: Graph,
  part: Graph,
  given: Record<string, boolean>,
  outer: Map<string, string>,
  nodes: Set<string>,
): Map<string, string> {
  const names = new Map(outer)
  const own = (name: string) => {
    names.set(name, into.has(name) ? into.fresh(name) : name)
    return names.get(name)!
  }
  for (const input of part.inputs) names.set(input, input)
  for (const [name, tensor] of part.initializers) {
    const weight = into.weight(own(name), tensor)
    const integers = part.known.get(name)
    if (integers) into.known.set(weight, integers)
  }
  for (const node of part.nodes) {
    const inputs = node.inputs.map(input => names.get(input) ?? input)
    const branch = node.op === 'If' ? taken(into, node, inputs[0], given) : undefined
    if (branch) {
      const made = put(into, branch, given, names, nodes)
      for (const [i, output] of node.outputs.entries()) names.set(output, made.get(branch.outputs[i])!)
      continue
    }
    const attrs = Object.entries(node.attrs).map(([key, value]) => [key, value instanceof Graph ? copy(value, names, '', into) : value]) // biome-ignore format: one thought
    const outputs = node.outputs.map(output => output && own(output))
    const name = nodes.has(node.name) ? into.fresh(node.name) : node.name
    nodes.add(name)
    into.add({ ...node, name, inputs, outputs, attrs: Object.fromEntries(attrs) })
    for (const output of node.outputs) if (output) recall(into, names.get(output)!, part, output)
  }
  return names
}

function taken(graph: Graph, { attrs }: Node, condition: string, given: Record<string, boolean>): Graph | undefined {
  const known = given[condition] ?? graph.integers(condition)?.[0]
  if (known === undefined || typeof known === 'string') return undefined
  return (known ? attrs.then_branch : attrs.else_branch) as Graph
}
