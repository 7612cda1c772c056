/**
 * What the keys of a row hold. A problem comes from the user; every stage adds one key named for what it made:
 * problem → caption → trajectory → verdict → credit, or `error` where it could not.
 */
import { errorOf, extend, fail, idOf, type Row, type RowError } from '../io/row.ts'

export { errorOf, extend, fail, idOf, type Row, type RowError }

/** What the user gives. Other keys are kept and not looked at. */
export interface Problem {
  id?: string | number
  /** Path, `data:` URI, URL or `{bytes, path}` each; see io/images.ts. The Hub's single `image` will do too. */
  images?: unknown[]
  question: string
  answer?: unknown
  options?: string[]
  answer_type?: string
  unit?: string
  tolerance?: number | string
  language?: string
  source?: string
}

/** c: a description of the picture, made by the policy, which did not see the question. */
export interface Caption {
  /** 0 … K-1 */
  index: number
  text: string
  tokens: number
  finish: 'stop' | 'length'
  /** Sum of natural log-probabilities of the tokens. */
  logprob: number
}

/** y: slow thought about a question and a caption, made by the reasoner, which did not see the picture. */
export interface Trajectory {
  /** 0 … N-1, within its caption */
  index: number
  text: string
  tokens: number
  finish: 'stop' | 'length'
  /** Who thought it: the model's folder or Hub id. */
  model: string
}

/** R(y), Eq. 4. */
export interface Verdict {
  reward: 0 | 1
  /** As it was read out of the trajectory; null where there was none. */
  answer: string | null
  /** Why: one of answers/verdict.ts's reasons, or what a scorer of the user's own says. */
  reason: string
  /** Where a problem asks several questions: to how many of them the answer is right. */
  steps?: { right: number; of: number }
  /** The LLM that judged, where one did. */
  judge?: string
}

export interface Credit {
  /** R(c), Eq. 5: the share of the caption's trajectories that are right. */
  caption: number
  /** R(x, v, y), Eq. 6: 1 for what the policy is to learn, else 0. */
  reward: 0 | 1
}

/** The caption of a row: as the stage made it, or a plain string that someone else wrote. */
export function captionOf(row: Row): Caption | undefined {
  const { caption } = row
  if (typeof caption === 'string') return { index: 0, text: caption, tokens: 0, finish: 'stop', logprob: 0 }
  return (caption as Caption | null | undefined) ?? undefined
}

/** The question with no regard to what the user put there: text, or nothing. */
export function questionOf(row: Row): string {
  return typeof row.question === 'string' ? row.question : ''
}
