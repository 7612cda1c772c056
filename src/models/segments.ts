/**
 * Runs a graph in segments, each in a session of its own, so that no more than one segment's weights are in memory: how
 * a model is tried on a machine that it may not fit. Left out: subgraphs (Loop, If).
 */

import { bytesOf, Graph, type Node, sizeOf } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession } from '../graph/session.ts'

/** A segment ends with the node that brings its weights beyond this many bytes. */
const BYTES = 128 * 2 ** 20

/**
 * Computes one value of `graph`.
 *
 * @param folder where the files are that its weights refer to
 */
export async function runInSegments(
  graph: Graph,
  feeds: Record<string, HostTensor>,
  wanted: string,
  folder: string,
  bytes = BYTES,
): Promise<HostTensor> {
  const held = new Map(Object.entries(feeds))
  for (const segment of segments(graph, wanted, bytes)) {
    const session = await openSession(modelOf(segment), { folder, lean: true, spin: false })
    try {
      const given = Object.fromEntries(segment.inputs.map(name => [name, held.get(name)!]))
      for (const [name, value] of Object.entries(await session.run(given))) held.set(name, value)
    } finally {
      await session.close()
    }
  }
  return held.get(wanted)!
}

/** The nodes that `wanted` needs, cut into graphs that feed each other. */
export function segments(graph: Graph, wanted: string, bytes: number): Graph[] {
  const makers = graph.producers()
  const needed = new Set([wanted])
  for (const { inputs, outputs } of graph.nodes.toReversed()) {
    if (outputs.some(name => needed.has(name))) for (const name of inputs) needed.add(name)
  }
  // What is made of weights alone (casts, transposes) belongs to whoever uses it.
  const fixed = new Set(graph.initializers.keys())
  const groups: Node[][] = [[]]
  let weights = new Set<string>()
  for (const node of graph.nodes) {
    if (!node.outputs.some(name => needed.has(name))) continue
    if (node.inputs.every(name => !name || fixed.has(name))) {
      for (const name of node.outputs) fixed.add(name)
      continue
    }
    const last = groups.at(-1)!.at(-1)
    const crosses = !last || graph.type(last.outputs[0]).dtype !== 'bfloat16' // which no JavaScript can hold
    if (crosses && sizeOfAll(graph, weights) > bytes) {
      groups.push([])
      weights = new Set()
    }
    groups.at(-1)!.push(node)
    for (const name of node.inputs) for (const root of rootsOf(graph, makers, fixed, name)) weights.add(root)
  }
  return groups.map((nodes, i) => segment(graph, makers, fixed, nodes, groups.slice(i + 1).flat(), wanted))
}

const sizeOfAll = (graph: Graph, names: Set<string>) =>
  [...names].reduce((sum, name) => {
    const { dtype, shape } = graph.initializers.get(name)!
    return sum + bytesOf(dtype) * sizeOf(shape)
  }, 0)

/** The weights that a value is made of, where it is made of weights alone. */
function rootsOf(graph: Graph, makers: Map<string, Node>, fixed: Set<string>, name: string): string[] {
  if (!fixed.has(name)) return []
  if (graph.initializers.has(name)) return [name]
  return makers.get(name)!.inputs.flatMap(input => rootsOf(graph, makers, fixed, input))
}

function segment(
  graph: Graph,
  makers: Map<string, Node>,
  fixed: Set<string>,
  nodes: Node[],
  later: Node[],
  wanted: string,
) {
  const result = new Graph(graph.name)
  const take = (name: string) => {
    if (!name || result.has(name)) return
    const tensor = graph.initializers.get(name)
    if (tensor) result.weight(name, tensor)
    else if (fixed.has(name)) add(makers.get(name)!)
    else {
      result.inputs.push(name)
      result.types.set(name, graph.type(name))
    }
  }
  const add = (node: Node) => {
    for (const name of node.inputs) take(name)
    result.nodes.push(node)
    for (const name of node.outputs) if (name) result.types.set(name, graph.type(name))
  }
  for (const node of nodes) add(node)
  const used = new Set([wanted, ...later.flatMap(({ inputs }) => inputs)])
  result.outputs = nodes.flatMap(({ outputs }) => outputs.filter(name => used.has(name)))
  return result
}
