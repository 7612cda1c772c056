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

export type Verdict = {
  reward: 0 | 1
  answer: string | null
  reason: Reason
  /** Where a problem asks several questions: to how many of them the answer is right. */
  steps?: { right: number; of: number }
}

/** Longest answer that a verdict repeats. */
const SHOWN = 500

export function verdict(answer: string | null, reason: Reason): Verdict {
  const shown = answer === null ? null : answer.length > SHOWN ? `${answer.slice(0, SHOWN)}…` : answer
  return { reward: reason === 'right' ? 1 : 0, answer: shown, reason }
}
