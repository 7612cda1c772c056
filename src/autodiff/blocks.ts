/**
 * Parts of a graph that are worked off in blocks, or whose inner values are not kept. `InBlocks` is an operator of our
 * own: its attribute `part` is a graph that maps rows to rows. Its gradient works the part out again
 * (rules/blocks.ts), so that nothing inside lives from the forward pass to the backward pass: at one more run of the
 * part, memory is that of one block (rematerialization: Chen et al. 2016, arXiv 1604.06174; for attention Rabe & Staats
 * 2021, arXiv 2112.05682 and FlashAttention, arXiv 2205.14135). lower.ts writes it in ONNX's operators.
 * Left out: blocks inside blocks, and rows that look at rows of other blocks otherwise than by `prefix`.
 */

import type { Graph, Node } from '../graph/ir.ts'

/** How an input of a part gets into it. */
export interface Entry {
  value: string
  /** The axis along which each block gets its own rows; all get the whole tensor where absent. */
  cut?: number
  /** Elements of `cut` that make a row (1). */
  unit?: number
  /** An axis of which each block gets what stands before the end of its own rows: the keys that a causal query may see. */
  prefix?: number
}

/** What an InBlocks node says, read off its attributes. */
export interface Blocks {
  part: Graph
  /** Rows that a block holds at most; 0: there is one block, and nothing is cut. */
  size: number
  entries: Entry[]
  /** The axis of every output along which blocks are laid together, and the elements that a row makes. */
  axis: number
  unit: number
}

/** A node that runs `part`, made by `outline`, on `entries`. */
export function blocksNode(name: string, outputs: string[], blocks: Blocks): Node {
  const { part, size, entries, axis, unit } = blocks
  const cut = entries.map(entry => entry.cut ?? -1)
  const units = entries.map(entry => entry.unit ?? 1)
  const prefix = entries.map(entry => entry.prefix ?? -1)
  const attrs = { part, size, cut, units, prefix, axis, unit }
  return { op: 'InBlocks', domain: 'sophia', name, inputs: entries.map(({ value }) => value), outputs, attrs }
}

export function blocksOf({ inputs, attrs }: Node): Blocks {
  const [cut, units, prefix] = ['cut', 'units', 'prefix'].map(name => attrs[name] as number[])
  const given = (axis: number) => (axis < 0 ? undefined : axis)
  const entries = inputs.map((value, i) => ({ value, cut: given(cut[i]), unit: units[i], prefix: given(prefix[i]) }))
  const [size, axis, unit] = ['size', 'axis', 'unit'].map(name => attrs[name] as number)
  return { part: attrs.part as Graph, size, entries, axis, unit }
}
