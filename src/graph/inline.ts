/**
 * Puts a copy of one graph into another: the way whole models are composed from their parts (vision tower, embedding,
 * decoder) and set inside a Loop. Weights keep their names and go to the outermost graph once, however many parts use
 * them, unless a graph around has a value of that name; all other values get a prefix.
 */

import { recall } from './copy.ts'
import { Graph, type Node } from './ir.ts'

/**
 * Appends the nodes of `part` to `into`.
 *
 * @param bindings for each input of `part`, the value of `into` that takes its place
 * @param prefix put before the names of the values that are made
 * @returns for each output of `part`, the name of the value in `into`
 * @throws Error where an input is not bound
 */
export function inline(
  into: Graph,
  part: Graph,
  bindings: Record<string, string>,
  prefix: string,
): Record<string, string> {
  const names = new Map<string, string>([['', '']])
  for (const input of part.inputs) {
    if (!(input in bindings)) throw new Error(`inline ${part.name}: input ${input} is not bound`)
    names.set(input, bindings[input])
  }
  const root = outermost(into)
  for (const [name, tensor] of part.initializers) {
    // Constants made while building are private to a part; weights are shared by name.
    const own = name.startsWith('const_') ? `${prefix}${name}` : name
    names.set(name, own)
    if (into.has(own)) continue
    root.weight(own, tensor)
    const integers = part.known.get(name)
    if (integers) root.known.set(own, integers)
  }
  for (const node of part.nodes) {
    into.add(withoutEmpty(into, renamed(node, names, prefix, into)))
    for (const output of node.outputs) if (output) recall(into, names.get(output)!, part, output)
  }
  return Object.fromEntries(part.outputs.map(output => [output, names.get(output)!]))
}

const outermost = (graph: Graph): Graph => (graph.parent ? outermost(graph.parent) : graph)

/** The node under the new names; `names` learns those of its outputs. */
function renamed(node: Node, names: Map<string, string>, prefix: string, into: Graph): Node {
  const inputs = node.inputs.map(input => names.get(input) ?? input)
  for (const output of node.outputs) if (output) names.set(output, `${prefix}${output}`)
  const attrs = Object.fromEntries(
    Object.entries(node.attrs).map(([key, value]) => [
      key,
      value instanceof Graph ? copy(value, names, prefix, into) : value,
    ]),
  )
  return { ...node, name: `${prefix}${node.name}`, inputs, outputs: node.outputs.map(o => names.get(o)!), attrs }
}

/** A copy of a subgraph under the new names of what surrounds it. */
export function copy(graph: Graph, outer: Map<string, string>, prefix: string, parent: Graph): Graph {
  const result = new Graph(`${prefix}${graph.name}`, parent)
  const names = new Map(outer)
  for (const input of graph.inputs) {
    result.inputs.push(`${prefix}${input}`)
    result.types.set(`${prefix}${input}`, graph.type(input))
    names.set(input, `${prefix}${input}`)
  }
  for (const [name, tensor] of graph.initializers) {
    names.set(name, result.weight(`${prefix}${name}`, tensor))
    const integers = graph.known.get(name)
    if (integers) result.known.set(`${prefix}${name}`, integers)
  }
  for (const node of graph.nodes) result.add(renamed(node, names, prefix, result))
  result.outputs = graph.outputs.map(output => names.get(output) ?? output)
  return result
}

/** Concat of a tensor with an empty one (a KV cache with no past) is the tensor. */
function withoutEmpty(graph: Graph, node: Node): Node {
  if (node.op !== 'Concat') return node
  const axis = node.attrs.axis as number
  const inputs = node.inputs.filter(input => graph.shape(input)?.at(axis) !== 0)
  if (inputs.length === 0 || inputs.length === node.inputs.length) return node
  return inputs.length === 1 ? { ...node, op: 'Identity', inputs, attrs: {} } : { ...node, inputs }
}
