/**
 * How much memory a graph takes while it runs, from its shapes alone: nodes are walked in ONNX Runtime's order, a value
 * lives from the node that makes it to the last that reads it, and element-wise operators write over an operand that
 * nobody needs any more. Inputs and weights are not counted, for they are there already. Sizes must be numbers; a size
 * that is not counts as `unknown`.
 */

import { bytesOf, type Dim, Graph, type Node } from './ir.ts'
import { reads } from './prune.ts'

export interface Liveness {
  /** Bytes at the worst moment. */
  peak: number
  /** The node that was running then. */
  at?: Node
  /** Bytes of what lives when `mark` has been made, by value. */
  kept: Map<string, number>
}

/** What changes only how an array is looked at. */
const VIEWS = new Set('Reshape Squeeze Unsqueeze Identity Flatten'.split(' '))
/** What may write over its first operand of the same size. */
const OVER = new Set(
  'Add Sub Mul Div Neg Exp Log Sqrt Reciprocal Tanh Sigmoid Erf Relu Abs Softplus Clip Sum ScatterElements'.split(' '), // biome-ignore format: one thought
)

/**
 * @param mark a value: what lives when it has been made is reported
 * @param given values whose memory is not the graph's: outputs that are written into arrays of the caller
 */
export function liveness(graph: Graph, unknown = 1, mark?: string, given: ReadonlySet<string> = new Set()): Liveness {
  const order = executionOrder(graph)
  const made = new Set(order.flatMap(node => node.outputs))
  const storage = new Map<string, string>() // a view lives in what it is a view of
  const origin = (value: string): string => storage.get(value) ?? value
  for (const { op, inputs, outputs } of order)
    if (VIEWS.has(op) && made.has(inputs[0])) storage.set(outputs[0], origin(inputs[0]))
  const last = new Map<string, number>()
  order.forEach((node, i) => {
    for (const value of [...reads(node), ...node.outputs]) if (made.has(value)) last.set(origin(value), i)
  })
  for (const value of graph.outputs) last.set(origin(value), order.length)
  const elsewhere = new Set([...given].map(origin))
  const size = (value: string) => (elsewhere.has(value) ? 0 : bytes(graph, value, unknown))
  const alive = new Map<string, number>()
  const result: Liveness = { peak: 0, kept: new Map() }
  let now = 0
  order.forEach((node, i) => {
    const inner = innerPeak(graph, node, unknown)
    const dying = [...new Set(reads(node).map(origin))].filter(value => alive.has(value) && last.get(value) === i)
    if (now + inner > result.peak) Object.assign(result, { peak: now + inner, at: node })
    const [output] = node.outputs
    const over = OVER.has(node.op) && !elsewhere.has(output) && dying.find(value => node.inputs.includes(value) && alive.get(value) === size(output)) // biome-ignore format: one thought
    if (over) {
      now -= alive.get(over)!
      alive.delete(over)
    }
    for (const value of node.outputs) {
      if (!value || storage.has(value) || (last.get(value) ?? -1) < i) continue
      alive.set(value, size(value))
      now += alive.get(value)!
    }
    if (now > result.peak) Object.assign(result, { peak: now, at: node })
    for (const value of [...dying, ...node.outputs]) {
      if (last.get(value) !== i || !alive.has(value)) continue
      now -= alive.get(value)!
      alive.delete(value)
    }
    if (mark && node.outputs.includes(mark)) result.kept = new Map(alive)
  })
  return result
}

/** What runs inside a node takes at most, its outputs left out for an If, whose branch hands them over. */
function innerPeak(graph: Graph, node: Node, unknown: number): number {
  const subgraphs = Object.values(node.attrs).filter(value => value instanceof Graph)
  if (subgraphs.length === 0) return 0
  const inner = Math.max(...subgraphs.map(subgraph => liveness(subgraph, unknown).peak))
  if (node.op !== 'Loop') return inner
  // Before and after an iteration, and all that iterations have stacked so far, which is copied together at the end.
  const outputs = node.outputs.map(value => bytes(graph, value, unknown))
  const carried = node.inputs.length - 2
  const stacked = outputs.slice(carried).reduce((a, b) => a + b, 0)
  const held = outputs.slice(0, carried).reduce((a, b) => a + b, 0)
  return stacked + held + Math.max(inner, stacked)
}

/** Bytes of a value. */
export function bytes(graph: Graph, value: string, unknown = 1): number {
  const { dtype, shape } = graph.type(value)
  const count = (shape ?? []).reduce<number>((product, dim) => product * numberOf(dim, unknown), 1)
  return count * bytesOf(dtype)
}

const numberOf = (dim: Dim, unknown: number) => (typeof dim === 'number' ? dim : unknown)

/**
 * The order in which ONNX Runtime runs nodes: depth first from those whose outputs nobody reads, always the one that
 * comes later in the list first.
 */
export function executionOrder(graph: Graph): Node[] {
  const makers = graph.producers()
  const index = new Map(graph.nodes.map((node, i) => [node, i]))
  const read = new Set(graph.nodes.flatMap(reads))
  const stack = graph.nodes.filter(({ outputs }) => !outputs.some(value => read.has(value))).map(node => ({ node, leave: false })) // biome-ignore format: one thought
  const seen = new Set<Node>()
  const order: Node[] = []
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, leave } = top
    if (leave) {
      order.push(node)
      continue
    }
    if (seen.has(node)) continue
    seen.add(node)
    stack.push({ node, leave: true })
    const before = new Set(reads(node).flatMap(value => makers.get(value) ?? []))
    for (const other of [...before].sort((a, b) => index.get(a)! - index.get(b)!)) if (!seen.has(other)) stack.push({ node: other, leave: false }) // biome-ignore format: one thought
  }
  return order
}
