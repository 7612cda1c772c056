/**
 * How much memory a graph takes while it runs, from its shapes alone: nodes are walked in ONNX Runtime's order, a value
 * lives from the node that makes it to the last that reads it, and element-wise operators write over an operand that
 * nobody needs any more. Inputs and weights are not counted, for they are there already. Sizes must be numbers; a size
 * that is not counts as `unknown`.
 */

import { bytesOf, Graph, type Node } from './ir.ts'
import { reads } from './prune.ts'

export interface Liveness {
  /** Bytes at the worst moment. */
  peak: number
  /** The node that was running then. */
  at?: Node
  /**
   * Bytes that the process holds at most: small arrays come from a heap that keeps what was freed, large ones go back to
   * the system, so the worst moments of the two add up.
   */
  held: Held
  /** Bytes of what lives when `mark` has been made, by value. */
  kept: Map<string, number>
}

export interface Held {
  small: number
  large: number
}

/** From this size on the C library (glibc) takes an array from the system, and gives it back. */
const LARGE = 32 << 20

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
  const result: Liveness = { peak: 0, held: { small: 0, large: 0 }, kept: new Map() }
  const now: Held = { small: 0, large: 0 }
  const count = (bytes: number, sign: 1 | -1) => {
    now[bytes < LARGE ? 'small' : 'large'] += sign * bytes
  }
  const look = (node: Node, inner: Held = { small: 0, large: 0 }) => {
    const [small, large] = [now.small + inner.small, now.large + inner.large]
    if (small + large > result.peak) Object.assign(result, { peak: small + large, at: node })
    result.held = { small: Math.max(small, result.held.small), large: Math.max(large, result.held.large) }
  }
  order.forEach((node, i) => {
    const dying = [...new Set(reads(node).map(origin))].filter(value => alive.has(value) && last.get(value) === i)
    look(node, innerPeak(graph, node, unknown))
    const [output] = node.outputs
    const over = OVER.has(node.op) && !elsewhere.has(output) && dying.find(value => node.inputs.some(input => origin(input) === value) && alive.get(value) === size(output)) // biome-ignore format: one thought
    if (over) {
      count(alive.get(over)!, -1)
      alive.delete(over)
    }
    for (const value of node.outputs) {
      if (!value || storage.has(value) || (last.get(value) ?? -1) < i) continue
      alive.set(value, size(value))
      count(size(value), 1)
    }
    look(node)
    for (const value of [...dying, ...node.outputs]) {
      if (last.get(value) !== i || !alive.has(value)) continue
      count(alive.get(value)!, -1)
      alive.delete(value)
    }
    if (mark && node.outputs.includes(mark)) result.kept = new Map(alive)
  })
  return result
}

/** What runs inside a node takes at most, the outputs left out for an If, whose branch hands them over. */
function innerPeak(graph: Graph, node: Node, unknown: number): Held {
  const subgraphs = Object.values(node.attrs).filter(value => value instanceof Graph)
  const inner: Held = { small: 0, large: 0 }
  for (const subgraph of subgraphs) {
    const { held } = liveness(subgraph, unknown)
    for (const kind of ['small', 'large'] as const) inner[kind] = Math.max(inner[kind], held[kind])
  }
  if (node.op !== 'Loop') return inner
  // Beside the iteration that runs there is what the one before it carried, and all that iterations have stacked so far.
  node.outputs.forEach((value, i) => {
    const size = bytes(graph, value, unknown)
    const stacked = i >= node.inputs.length - 2
    const dim = graph.shape(value)?.[0]
    const piece = stacked && typeof dim === 'number' ? size / dim : size
    inner[piece < LARGE ? 'small' : 'large'] += size
  })
  return inner
}

/** Bytes of a value. */
export function bytes(graph: Graph, value: string, unknown = 1): number {
  const { dtype, shape } = graph.type(value)
  const known = (shape ?? []).filter(dim => typeof dim === 'number')
  // Nothing grows by more than the square of the length: what has more open sizes has them of one that was taken apart.
  const open = Math.min(2, (shape ?? []).length - known.length)
  return known.reduce((a, b) => a * b, unknown ** open * bytesOf(dtype))
}

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
