/**
 * The gradient of a part that is worked off in blocks: the part once more, and backwards through it, block by block.
 * What happens inside happens in a subgraph, so ONNX Runtime neither merges it with the forward pass nor keeps
 * anything of it. Where the gradient that arrives does not depend on what the part gives (a loss that is a sum of its
 * rows), the two passes are one: the fused linear cross-entropy of Liger-Kernel (arXiv 2410.10989) comes out of this.
 */

import { inline } from '../../graph/inline.ts'
import { Graph, type Node } from '../../graph/ir.ts'
import { reads } from '../../graph/prune.ts'
import { type Blocks, blocksOf } from '../blocks.ts'
import { exactly } from '../broadcast.ts'
import { BlockLoop } from '../loop.ts'
import { outline } from '../outline.ts'
import { filled, type Rule, type Site } from './site.ts'

export const BLOCKS: Record<string, Rule> = {
  InBlocks: s => {
    const blocks = blocksOf(s.node)
    return blocks.size === 0 ? atOnce(s, blocks) : inBlocks(s, blocks)
  },
}

/**
 * All in one. What backwards through the part reads is made again under an If whose condition always holds and that
 * nobody can see through before there is a gradient; the gradients are made around it, where sums can be added to.
 */
function atOnce(s: Site, { part, entries }: Blocks): (string | null)[] {
  const { graph } = s
  const inner = entries.map(({ value }, i) => (s.wanted(i) ? graph.op('Identity', [value]) : value))
  const bindings = Object.fromEntries(part.inputs.map((input, i) => [input, inner[i]]))
  const scratch = new Graph(graph.fresh('again'), graph)
  const outputs = inline(scratch, part, bindings, scratch.fresh('part'))
  const forward = new Set(scratch.nodes)
  const seeds = part.outputs.flatMap((output, i) => (s.arriving[i] ? [[outputs[output], s.arriving[i]] as const] : []))
  const made = s.pullback(scratch, new Map(seeds), inner.filter((_, i) => s.wanted(i))) // biome-ignore format: one thought
  adopt(graph, scratch)
  const outside = new Set<string>()
  const [again, rest]: Node[][] = [[], []]
  for (const node of scratch.nodes) {
    const waits = !forward.has(node) || reads(node).some(value => outside.has(value)) // for the gradient
    if (waits) for (const output of node.outputs) outside.add(output)
    const nodes = waits ? rest : again
    nodes.push(node)
  }
  const read = new Set(rest.flatMap(reads))
  const kept = again.flatMap(node => node.outputs.filter(output => read.has(output)))
  if (kept.length > 0) graph.nodes.push(underIf(s, again, kept, seeds[0][1]))
  graph.nodes.push(...rest)
  return entries.map(({ value }, i) => (s.wanted(i) ? exactly(graph, made.get(inner[i])!, value) : null))
}

/** What `scratch` knows of its values, and its constants. */
function adopt(graph: Graph, scratch: Graph): void {
  for (const [name, type] of scratch.types) graph.types.set(name, type)
  for (const [name, integers] of scratch.known) graph.known.set(name, integers)
  for (const [name, tensor] of scratch.initializers) graph.weight(name, tensor)
  scratch.initializers.clear()
}

/** An If that runs `nodes` and gives their values `kept`, once `gradient` is there. */
function underIf(s: Site, nodes: Node[], kept: string[], gradient: string): Node {
  const { graph } = s
  const branch = outline(graph, graph.fresh('again'), nodes, [], kept)
  const skip = new Graph(graph.fresh('skip'), graph)
  for (const value of kept) skip.output(filled(skip, skip.ints([0]), 0, graph.type(value).dtype))
  const holds = s.op('Greater', [s.op('Size', [gradient]), graph.ints(-1)])
  const attrs = { then_branch: branch, else_branch: skip }
  return { op: 'If', domain: '', name: graph.fresh('grad/If'), inputs: [holds], outputs: kept, attrs }
}

function inBlocks(s: Site, blocks: Blocks): (string | null)[] {
  const { graph, node } = s
  const { entries, axis, unit } = blocks
  const early = node.outputs.length === 1 && !dependsOn(s, s.g, node.outputs[0])
  const loop = new BlockLoop(graph, blocks)
  const { body } = loop
  const inner = loop.entries().map((piece, i) => (s.wanted(i) ? body.op('Identity', [piece]) : piece))
  const outputs = loop.runPart(blocks.part, inner)
  const seeds = outputs.flatMap((output, i) =>
    s.arriving[i] ? [[output, loop.piece(s.arriving[i], axis, unit)] as const] : [],
  )
  const made = s.pullback(body, new Map(seeds), inner.filter((_, i) => s.wanted(i))) // biome-ignore format: one thought
  const [summed, stacked] = [false, true].map(isCut =>
    entries.flatMap(({ cut }, i) => (s.wanted(i) && (cut !== undefined) === isCut ? [i] : [])),
  )
  for (const i of summed) loop.sum(made.get(inner[i])!, entries[i].value)
  for (const i of stacked) loop.stack(made.get(inner[i])!)
  if (early) loop.stack(outputs[0])
  const results = loop.finish()
  if (early) {
    // The forward pass is this Loop too: what was the node passes its result on.
    const [output] = node.outputs
    const value = loop.joined(results.at(-1)!, axis, unit, graph.shape(output)!)
    Object.assign(node, { op: 'Identity', domain: '', inputs: [value], attrs: {} })
  }
  return entries.map(({ value, cut, unit }, i) => {
    if (summed.includes(i)) return results[summed.indexOf(i)]
    if (!stacked.includes(i)) return null
    return loop.joined(results[summed.length + stacked.indexOf(i)], cut!, unit ?? 1, graph.shape(value)!)
  })
}

/** Whether `value` is computed from `origin`. */
function dependsOn(s: Site, value: string, origin: string): boolean {
  const seen = new Set<string>()
  const open = [value]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at === origin) return true
    if (!at || seen.has(at)) continue
    seen.add(at)
    open.push(...(s.producer(at)?.inputs ?? []))
  }
  return false
}
