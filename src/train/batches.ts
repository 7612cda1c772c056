/**
 * Which sequences make up each optimizer step, and how they are cut into micro-batches. The order depends on (seed,
 * epoch) alone, so a run can be taken up at any step. A step's sequences are drawn as they come and only sorted by
 * length inside the step: padding stays rare and the gradient stays that of a random batch.
 * Left out: several sequences in one row (it would need a block-diagonal mask in the decoder).
 */

import { permutation } from '../random.ts'

export interface BatchOptions {
  /** Sequences an optimizer step. */
  batchSize: number
  /** Tokens a micro-batch holds at most, padding included; a longer sequence makes up one by itself. */
  microTokens: number
  seed: number
}

/** What batching has to know about a sequence. */
export interface Sizes {
  /** Tokens of each sequence, pictures' tokens included. */
  lengths: ArrayLike<number>
  /** Pictures of each sequence. */
  images: ArrayLike<number>
}

export const stepsPerEpoch = (count: number, batchSize: number): number => Math.ceil(count / batchSize)

/** The micro-batches (indices of sequences, longest first) of step `step` = 1, 2, … of the whole run. */
export function microBatches(step: number, sizes: Sizes, { batchSize, microTokens, seed }: BatchOptions): number[][] {
  const { lengths, images } = sizes
  const perEpoch = stepsPerEpoch(lengths.length, batchSize)
  const order = epochOrder(lengths.length, seed, Math.floor((step - 1) / perEpoch))
  const start = ((step - 1) % perEpoch) * batchSize
  const batch = Array.from(order.subarray(start, start + batchSize))
  // Sequences without pictures keep to themselves, so that no picture is made up for them.
  const sighted = (i: number) => (images[i] > 0 ? 1 : 0)
  batch.sort((a, b) => sighted(b) - sighted(a) || lengths[b] - lengths[a] || a - b)
  const joins = (index: number, last: number[]) => {
    const longest = lengths[last[0]]
    const held = last.length * longest
    if (sighted(last[0]) !== sighted(index) || held + longest > microTokens) return false
    return held < microTokens / 2 || lengths[index] >= longest * CLOSE
  }
  const micro: number[][] = []
  for (const index of batch) {
    const last = micro.at(-1)
    if (last && joins(index, last)) last.push(index)
    else micro.push([index])
  }
  return micro
}

/** A micro-batch that is half full takes only sequences of nearly its length. */
const CLOSE = 0.9

let cached: { key: string; order: Uint32Array } | undefined

function epochOrder(count: number, seed: number, epoch: number): Uint32Array {
  const key = `${count}/${seed}/${epoch}`
  if (cached?.key !== key) cached = { key, order: permutation(count, seed, 'train', epoch) }
  return cached.order
}
