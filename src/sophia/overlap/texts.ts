/**
 * Which of a benchmark's questions a text is, or nearly is. Memory follows the benchmark; a text is looked up by its
 * tokens and shingles, each in one step. Numbers below were chosen by measurement (test/LOG.md).
 *
 * Shingles that many of the benchmark's questions share are boilerplate and count for nothing ("in the diagram shown",
 * "relatively prime positive integers"). A question that is made of them is a template: its words do not tell it from
 * its sisters.
 */
import { shinglesOf } from './shingles.ts'

/** Share of the rare shingles of the shorter text that both have. Unrelated questions: 0.31 at most. */
const threshold = 0.4
/** Shingles that have to be shared: ten words in a row, or as much in pieces. Shorter questions need all of theirs. */
const least = 6
/** A question with fewer tokens says too little ("Find x.") to be told by its words. */
const short = 8
/** More of the questions than this share, and than this number, have a shingle: it is boilerplate. */
const common = { share: 0.01, count: 4 }

export interface TextHit {
  item: number
  /** Share of shingles; 1 where the normalised texts are the same. */
  score: number
}

export class Texts {
  private readonly exact = new Map<string, number[]>()
  private readonly postings = new Map<number, number[]>()
  private readonly boilerplate = new Set<number>()
  private readonly lengths: number[] = []
  private readonly shingles: number[] = []
  private rare = new Uint32Array(0)

  /** The question's number: 0, 1, … in the order of adding. */
  add(tokens: string[]): number {
    const item = this.lengths.length
    const shingles = shinglesOf(tokens)
    this.lengths.push(tokens.length)
    this.shingles.push(shingles.size)
    if (tokens.length > 0) push(this.exact, tokens.join(' '), item)
    for (const shingle of shingles) push(this.postings, shingle, item)
    return item
  }

  /** To be called when all are added: tells boilerplate from what is rare. */
  seal(): void {
    const limit = Math.max(common.count, common.share * this.lengths.length)
    this.rare = new Uint32Array(this.lengths.length)
    for (const [shingle, items] of this.postings) {
      if (items.length > limit) {
        this.boilerplate.add(shingle)
        this.postings.delete(shingle)
      } else for (const item of items) this.rare[item]++
    }
  }

  /** Questions whose normalised text is the same. */
  same(tokens: string[]): number[] {
    return this.exact.get(tokens.join(' ')) ?? []
  }

  /** Its words alone do not tell this question from others: it is short, or a template. */
  vague(item: number): boolean {
    return this.lengths[item] < short || 2 * this.rare[item] < this.shingles[item]
  }

  /** The question that is likest by shingles, if any is like enough. */
  like(tokens: string[]): TextHit | undefined {
    const shared = new Map<number, number>()
    let own = 0
    for (const shingle of shinglesOf(tokens)) {
      const items = this.postings.get(shingle)
      if (items) for (const item of items) shared.set(item, (shared.get(item) ?? 0) + 1)
      if (!this.boilerplate.has(shingle)) own++
    }
    let best: TextHit | undefined
    for (const [item, count] of shared) {
      const score = count / Math.min(own, this.rare[item])
      if (score < threshold || score <= (best?.score ?? 0) || this.vague(item)) continue
      if (count >= least || count === this.rare[item]) best = { item, score }
    }
    return best
  }
}

function push<K>(map: Map<K, number[]>, key: K, value: number): void {
  const held = map.get(key)
  if (held) held.push(value)
  else map.set(key, [value])
}
