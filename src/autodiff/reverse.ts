/**
 * Reverse-mode differentiation: walks a graph backwards from the loss and appends, node by node, what the table of
 * rules says. Only nodes that lie between the inputs asked for and the loss are visited. Fused operators are to be
 * decomposed before (decompose.ts). Left out: gradients through Loop, If and Scan, and second derivatives.
 */

import { UserError } from '../errors.ts'
import { type Graph, isFloatType, type Node } from '../graph/ir.ts'
import { order } from '../graph/order.ts'
import { reads } from '../graph/prune.ts'
import { exactly, unbroadcast } from './broadcast.ts'
import { RULES } from './rules/index.ts'
import { filled, Site, zeros } from './rules/site.ts'

/**
 * Appends to `graph` the nodes that compute d loss / d value for each value in `wrt`.
 *
 * @param loss a float value of the graph; where it is not a scalar, its sum is differentiated
 * @param wrt float values of the graph, or of a graph around it (weights used in the body of a Loop)
 * @returns for each of `wrt`, the name of its gradient (of the same shape and dtype); zeros where the loss does not depend on it
 * @throws UserError where an operator on the way has no rule
 * @throws Error where a graph around this one computes from `wrt` what is used here: compute it inside
 */
export function gradients(graph: Graph, loss: string, wrt: string[]): Map<string, string> {
  return pullback(graph, new Map([[loss, ones(graph, loss)]]), wrt)
}

/** The same from gradients that are given: `seeds` holds, for values of the graph, what arrives at them. */
export function pullback(graph: Graph, seeds: Map<string, string>, wrt: string[]): Map<string, string> {
  refuseOutside(graph, wrt)
  const path = between(graph, seeds.keys(), wrt)
  refuseUnknown(path)
  const start = graph.nodes.length
  const pending = new Map([...seeds].map(([value, gradient]) => [value, [gradient]]))
  const producer = producers(graph)
  const active = new Set([...wrt, ...path.flatMap(node => node.outputs)])
  for (const node of path.toReversed()) {
    const arriving = node.outputs.map(output => accumulated(graph, pending, output))
    if (arriving.every(gradient => gradient === undefined)) continue
    const inputs = [...node.inputs] // a rule may rewrite its node
    const wanted = (i: number) => active.has(inputs[i]) && isFloat(graph, inputs[i])
    const made = RULES[node.op](new Site(graph, node, arriving, wanted, producer, pullback))
    inputs.forEach((input, i) => {
      const gradient = made[i]
      if (!gradient || !wanted(i)) return
      pending.set(input, [...(pending.get(input) ?? []), exactly(graph, unbroadcast(graph, gradient, input), input)])
    })
  }
  const result = new Map(wrt.map(value => [value, accumulated(graph, pending, value) ?? zeros(graph, value)]))
  dropUnused(graph, start, result.values())
  order(graph) // a rule may have put its node behind what it appended
  return result
}

/** The nodes, in order, through which `ends` depend on `wrt` by way of floats. */
export function between(graph: Graph, ends: Iterable<string>, wrt: Iterable<string>): Node[] {
  const reached = new Set(wrt)
  const forward = graph.nodes.filter(node => {
    if (!reads(node).some(input => reached.has(input))) return false
    const floats = node.outputs.filter(output => output && isFloat(graph, output))
    for (const output of floats) reached.add(output)
    return floats.length > 0
  })
  const needed = new Set(ends)
  return forward
    .toReversed()
    .filter(node => {
      if (!node.outputs.some(output => needed.has(output))) return false
      for (const input of reads(node)) needed.add(input)
      return true
    })
    .reverse()
}

/** What the graphs around this one compute from `wrt` would be taken for constants: such values must not be used here. */
function refuseOutside(graph: Graph, wrt: string[]): void {
  const outside = new Set<string>()
  for (let outer = graph.parent; outer; outer = outer.parent) {
    for (const node of outer.nodes) {
      if (!node.inputs.some(input => wrt.includes(input) || outside.has(input))) continue
      for (const output of node.outputs) if (output && isFloat(outer, output)) outside.add(output)
    }
  }
  const used = graph.nodes.flatMap(reads).find(value => outside.has(value))
  if (!used) return
  throw new Error(`graph ${graph.name} uses ${used}, computed from a differentiated value in a graph around it`)
}

/**
 * Throws a UserError where an operator without a rule lies between `wrt` and an output of the graph (its caches aside).
 * Fused operators are to be decomposed before.
 */
export function requireRules(graph: Graph, wrt: string[]): void {
  const known = wrt.filter(value => graph.has(value))
  for (const output of graph.outputs) {
    if (!output.startsWith('present')) refuseUnknown(between(graph, [output], known))
  }
}

const hasRule = ({ op, domain }: Node) => op in RULES && ['', 'com.microsoft', 'sophia'].includes(domain)

function refuseUnknown(path: Node[]): void {
  const unknown = path.filter(node => !hasRule(node))
  if (unknown.length === 0) return
  const ops = [...new Set(unknown.map(node => (node.domain ? `${node.domain}.${node.op}` : node.op)))]
  throw new UserError(
    `cannot differentiate this graph: no rule for ${ops.join(', ')} (first met at node ${unknown[0].name}). ` +
      'Add a rule in src/autodiff/rules or a decomposition in src/autodiff/fused.',
  )
}

/** The sum of the gradients that arrived at a value; the list becomes that one. */
function accumulated(graph: Graph, pending: Map<string, string[]>, value: string): string | undefined {
  const parts = pending.get(value)
  if (!parts || parts.length === 1) return parts?.[0]
  const total = exactly(graph, graph.op(parts.length === 2 ? 'Add' : 'Sum', parts, {}, 'grad/Sum'), value)
  pending.set(value, [total])
  return total
}

function ones(graph: Graph, loss: string): string {
  const { dtype, shape } = graph.type(loss)
  if (shape?.length === 0) return graph.scalar(1, dtype)
  return exactly(graph, filled(graph, graph.op('Shape', [loss]), 1, dtype), loss)
}

const isFloat = (graph: Graph, value: string) => isFloatType(graph.type(value).dtype)

/** A look-up of producers that keeps up with the nodes being appended. */
function producers(graph: Graph): (value: string) => Node | undefined {
  const known = new Map<string, Node>()
  let seen = 0
  return value => {
    for (; seen < graph.nodes.length; seen++) {
      for (const output of graph.nodes[seen].outputs) known.set(output, graph.nodes[seen])
    }
    return known.get(value)
  }
}

/** Removes appended nodes that no gradient needs (rules write the gradients of all inputs). */
function dropUnused(graph: Graph, start: number, results: Iterable<string>): void {
  const needed = new Set([...results, ...graph.outputs, ...graph.nodes.slice(0, start).flatMap(reads)])
  const kept = graph.nodes
    .slice(start)
    .toReversed()
    .filter(node => {
      if (!node.outputs.some(output => needed.has(output))) return false
      for (const input of reads(node)) needed.add(input)
      return true
    })
  graph.nodes.splice(start, graph.nodes.length, ...kept.reverse())
}
