/**
 * The gradient of a part that is worked off in blocks: the part once more, and backwards through it, block by block.
 * What happens inside happens in a subgraph, so ONNX Runtime neither merges it with the forward pass nor keeps
 * anything of it. Where the gradient that arrives does not depend on what the part gives (a loss that is a sum of its
 * rows), the two passes are one: the fused linear cross-entropy of Liger-Kernel (arXiv 2410.10989) comes out of this.
 */

import { inline } from '../../graph/inline.ts'
import { Graph } from '../../graph/ir.ts'
import { prune } from '../../graph/prune.ts'
import { BlockLoop, type Blocks, blocksOf, lower } from '../blocks.ts'
import { exactly } from '../broadcast.ts'
import { filled, type Rule, type Site } from './site.ts'

export const BLOCKS: Record<string, Rule> = {
  InBlocks: s => {
    const blocks = blocksOf(s.node)
    return blocks.size === 0 ? atOnce(s, blocks) : inBlocks(s, blocks)
  },
}

/** All in one, under an If whose condition always holds and that nobody can see through before there is a gradient. */
function atOnce(s: Site, { part, entries }: Blocks): (string | null)[] {
  const { graph } = s
  const branch = new Graph(graph.fresh('again'), graph)
  const inner = entries.map(({ value }, i) => (s.wanted(i) ? branch.op('Identity', [value]) : value))
  const bindings = Object.fromEntries(part.inputs.map((input, i) => [input, inner[i]]))
  const outputs = inline(branch, part, bindings, branch.fresh('part'))
  const seeds = part.outputs.flatMap((output, i) => (s.arriving[i] ? [[outputs[output], s.arriving[i]] as const] : []))
  const wanted = inner.filter((_, i) => s.wanted(i))
  const made = s.pullback(branch, new Map(seeds), wanted)
  const skip = new Graph(graph.fresh('skip'), graph)
  for (const value of wanted) {
    branch.output(branch.op('Identity', [made.get(value)!]))
    skip.output(filled(skip, skip.ints([0]), 0, branch.type(value).dtype))
  }
  prune(branch)
  lower(branch)
  const holds = s.op('Greater', [s.op('Size', [seeds[0][1]]), graph.ints(-1)])
  const gradients = graph.many('If', [holds], wanted.length, { then_branch: branch, else_branch: skip }, 'grad/If')
  return entries.map(({ value }, i) =>
    s.wanted(i) ? exactly(graph, gradients[wanted.indexOf(inner[i])], value) : null,
  )
}

function inBlocks(s: Site, blocks: Blocks): (string | null)[] {
  const { graph, node } = s
  const { entries, axis, unit } = blocks
  const early = node.outputs.length === 1 && !dependsOn(s, s.g, node.outputs[0])
  const loop = new BlockLoop(graph, blocks)
  const { body } = loop
  const inner = loop.entries().map((piece, i) => (s.wanted(i) ? body.op('Identity', [piece]) : piece))
  const outputs = loop.runPart(inner)
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
