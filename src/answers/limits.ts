/**
 * The bounds that make a verdict cheap whatever a model wrote: nothing in this folder loops, recurses or allocates past them.
 * Going over one is not an error of ours: it is the verdict `too hard`.
 */

export const LIMITS = {
  /** Characters of a response that are read: its tail, where answers stand. */
  response: 100_000,
  /** Characters of one extracted answer that are parsed. */
  answer: 3_000,
  /** Tokens of one answer. */
  tokens: 1_200,
  /** Nested groups. */
  depth: 48,
  /** Digits of one numeral. */
  digits: 400,
  /** Bits of an exact integer in between. */
  bits: 4_096,
  /** Items of a list, set or matrix. */
  items: 64,
  /** Node visits that one verdict may spend on evaluation. */
  visits: 40_000,
  /** Terms of a finite sum or product that is written out. */
  terms: 400,
} as const

/** Thrown where an answer goes over a bound. */
export class TooHard extends Error {
  override name = 'TooHard'
}

/** Thrown where an answer is not mathematics that we read. */
export class Unparseable extends Error {
  override name = 'Unparseable'
}
