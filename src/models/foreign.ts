/** What graphs that others exported need before they can stand beside ours. */

import { UserError } from '../errors.ts'
import { decided } from '../graph/branches.ts'
import { inFloats } from '../graph/bytes.ts'
import { type Dim, Graph, type Model } from '../graph/ir.ts'
import { upgraded } from '../graph/upgrade.ts'
import type { Decoder } from './config.ts'

type Names = { has(name: string): boolean }

/**
 * A graph as it was read, in our operator set and with the caches' sizes, which some exporters leave open.
 *
 * @param apart the graph's name, where it is one of several: what it calls by no checkpoint's name becomes its own,
 *   for graphs put together share weights by name, and exporters number theirs from the start in each
 * @param held the checkpoint's names
 */
export function settled(model: Model, { kvHeads, headDim }: Decoder, apart?: string, held: Names = new Set()): Model {
  const { graph } = model
  for (const name of graph.inputs) {
    const { dtype, shape } = graph.type(name)
    if (!name.startsWith('past_key_values.') || shape?.length !== 4) continue
    const known = (dim: Dim, size: number) => (typeof dim === 'number' ? dim : size)
    graph.types.set(name, { dtype, shape: [shape[0], known(shape[1], kvHeads), shape[2], known(shape[3], headDim)] })
  }
  if (graph.inputs.includes(SWITCH)) rename(graph, name => /^(.*\.(weight|bias))_merged_0$/.exec(name)?.[1])
  if (apart) {
    // What is called by no checkpoint's name.
    const shared = (name: string) => held.has(name) || /\.(weight|bias)$/.test(name) || /^const_/.test(name)
    rename(graph, name => (shared(name) || name.startsWith(`${apart}/`) ? undefined : `${apart}/${name}`))
  }
  inFloats(graph)
  const made = upgraded(model)
  if (graph.inputs.includes(SWITCH)) return made
  const whole = decided(made.graph)
  refuseOneSize(whole)
  return { ...made, graph: whole }
}

/** A trace of a tower that goes picture by picture keeps the number of patches that it saw. */
function refuseOneSize(graph: Graph): void {
  const grids = graph.inputs.find(name => name.endsWith('grid_thw'))
  if (!grids) return
  for (const { op, name, inputs, attrs } of graph.nodes) {
    const sizes = op === 'Split' && inputs[0] !== grids && inputs[1] ? graph.integers(inputs[1]) : undefined
    const along = (inputs[0] ? graph.shape(inputs[0]) : undefined)?.at((attrs.axis as number | undefined) ?? 0)
    if (typeof along !== 'string' || !sizes?.every(size => typeof size === 'number')) continue
    const patches = sizes.reduce((a, b) => a + b, 0)
    throw new UserError(
      `the vision tower was exported for pictures of ${patches} patches alone (node ${name}, operator ${op}). ` +
        'Take the checkpoint, or an export for pictures of any size',
    )
  }
}

/** What tells the two graphs apart that optimum merged into one file before its version 1.14. */
const SWITCH = 'use_cache_branch'

/**
 * The decoder for an empty past or for what comes after one; of most files these are the same graph. Where they are two,
 * the one takes no notice of its past, and the other may let a token see those that come with it, for it was traced
 * with one: the first is for prompts and for training, the second for a token at a time.
 */
export const branchOf = (graph: Graph, past: boolean): Graph =>
  graph.inputs.includes(SWITCH) ? decided(graph, { [SWITCH]: past }) : graph

/** Renames initializers; those for which there is no other name, or one that is taken, stay. */
function rename(graph: Graph, other: (name: string) => string | undefined): void {
  const names = new Map<string, string>()
  for (const name of graph.initializers.keys()) {
    const to = other(name)
    if (to && !graph.has(to)) names.set(name, to)
  }
  for (const [from, to] of names) {
    graph.weight(to, graph.initializers.get(from)!)
    graph.initializers.delete(from)
    graph.types.delete(from)
    const integers = graph.known.get(from)
    if (integers) graph.known.set(to, integers)
  }
  const renamed = (part: Graph) => {
    for (const node of part.nodes) {
      node.inputs = node.inputs.map(input => names.get(input) ?? input)
      for (const inner of Object.values(node.attrs)) if (inner instanceof Graph) renamed(inner)
    }
    part.outputs = part.outputs.map(output => names.get(output) ?? output)
  }
  renamed(graph)
}
