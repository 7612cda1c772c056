/**
 * Fused operators, as exporters and optimizers write them, back to the primitives that the table of rules covers.
 * To be run on a graph before it is differentiated. Left out: quantized operators (convert the weights to floats
 * first) and what the files in fused/ refuse by name.
 */

import { inferNode } from '../graph/infer.ts'
import type { Graph, Node } from '../graph/ir.ts'
import { ACTIVATIONS } from './fused/activations.ts'
import { ATTENTION } from './fused/attention.ts'
import { NORMS } from './fused/norms.ts'
import { ROTARY } from './fused/rotary.ts'
import { Writer } from './writer.ts'

/** Writes what a node computes in other operators; returns its outputs, undefined for those that it leaves out. */
export type Decomposition = (w: Writer) => (string | undefined)[]

/** Fused operator → its parts. */
export const DECOMPOSITIONS: Readonly<Record<string, Decomposition>> = {
  ...NORMS,
  ...ACTIVATIONS,
  ...ROTARY,
  ...ATTENTION,
}

/**
 * Rewrites the fused operators of `graph` in place; its values keep their names.
 *
 * @returns how many nodes were rewritten
 * @throws UserError where a fused operator is used in a way that is not covered
 */
export function decompose(graph: Graph): number {
  const nodes = graph.nodes
  const fused = nodes.filter(isFused).length
  graph.nodes = []
  for (const node of nodes) {
    if (isFused(node)) replace(graph, node)
    else graph.nodes.push(node)
  }
  return fused
}

/** Some names, as `Attention`, are also those of standard operators with other inputs. */
const isFused = ({ op, domain }: Node) =>
  op in DECOMPOSITIONS && (domain === 'com.microsoft' || op === 'RMSNormalization')

/** Appends what a fused node is made of. */
export function replace(graph: Graph, node: Node): void {
  if (node.outputs.some(output => output && !graph.has(output))) inferNode(graph, node)
  const writer = new Writer(graph, node, `${node.name}/`)
  const made = DECOMPOSITIONS[node.op](writer)
  node.outputs.forEach((output, i) => {
    if (!output) return
    const value = made[i] ?? writer.refuse(`output ${i}`)
    const type = graph.types.get(output)!
    graph.add({ op: 'Identity', domain: '', name: `${node.name}/${i}`, inputs: [value], outputs: [output], attrs: {} })
    if (!graph.shape(output) && type.shape) graph.types.set(output, type)
  })
}
