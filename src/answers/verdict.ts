/** A verdict and its reasons: the words that `reward` writes and `eval` counts. */

export type Reason =
  | 'right'
  | 'wrong'
  | 'no answer'
  | 'truncated'
  | 'unclosed think'
  | 'unparseable'
  | 'too hard'
  | 'unreachable gold'

export type Verdict = { reward: 0 | 1; answer: string | null; reason: Reason }

/** Longest answer that a verdict repeats. */
const SHOWN = 500

export function verdict(answer: string | null, reason: Reason): Verdict {
  const shown = answer === null ? null : answer.length > SHOWN ? `${answer.slice(0, SHOWN)}…` : answer
  return { reward: reason === 'right' ? 1 : 0, answer: shown, reason }
}
