/**
 * From a response to its verdict, whoever sits in the seats: rules or an LLM find the answer, rules or an LLM compare
 * it. A response that comes to no answer is not shown to an LLM.
 */
import { afterThought, extract } from '../answers/extract.ts'
import { verdict } from '../answers/verdict.ts'
import type { Judge } from '../answers/verify.ts'
import { asResponse, extractedBy } from './extractor.ts'
import { agrees } from './juror.ts'
import { judge as rule } from './reward.ts'
import { errorOf, extend, fail, type Row, type RowError, type Verdict } from './rows.ts'
import type { Fault, Seat } from './seat.ts'

export interface Grading {
  /** The rules that judge where no LLM does. */
  judge: Judge
  /** LLMs in place of the rules. */
  extractor?: Seat
  juror?: Seat
}

/** What an LLM read out of a response. */
export interface Extraction {
  /** '' where it found no answer. */
  text: string
  model: string
}

export type Grade = { verdict: Verdict; extraction?: Extraction }

/** Grades that may be under way at once. */
export const aheadOf = ({ extractor, juror }: Grading) => Math.max(extractor?.ahead ?? 1, juror?.ahead ?? 1)

/** The grade of one response to the problem in `row`, or why there is none. */
export async function grade(
  row: Row,
  { text, finish }: { text: string; finish?: 'stop' | 'length' },
  { judge, extractor, juror }: Grading,
): Promise<Grade | { error: Fault | RowError }> {
  const byRules = (response: string): Grade | { error: RowError } => {
    const made = rule({ ...row, response: { text: response, finish } }, { judge, key: 'response' })
    const error = errorOf(made)
    return error ? { error } : { verdict: made.verdict as Verdict }
  }
  const plain = () => byRules(text)
  if ((!extractor && !juror) || row.answer === undefined || row.answer === null) return plain()
  const said = afterThought(text)
  if (said.think === 'unclosed' || said.text.trim() === '') return plain()

  let extraction: Extraction | undefined
  if (extractor) {
    const found = await extractedBy(extractor, row, said.text)
    if (typeof found !== 'string') return { error: found }
    extraction = { text: found, model: extractor.model }
    if (found === '' || !juror) {
      const made = byRules(asResponse(found))
      if ('error' in made) return made
      const { reward, reason } = made.verdict
      return { verdict: { reward, answer: found === '' ? null : verdict(found, 'right').answer, reason }, extraction }
    }
  }
  const agreed = await agrees(juror!, row, extraction?.text ?? said.text)
  if (typeof agreed !== 'boolean') return { error: agreed }
  const answer = extraction?.text ?? extract(text).answer
  const made = { ...verdict(answer, agreed ? 'right' : 'wrong'), judge: juror!.model }
  return { verdict: made, ...(extraction && { extraction }) }
}

/** reward with an LLM as the judge: adds `verdict` to each row. Rows with an error pass. */
export async function* rewardBy(rows: Iterable<Row>, grading: Grading, key: string): AsyncGenerator<Row> {
  for (const row of rows) yield errorOf(row) ? row : await rewarded(row, grading, key)
}

async function rewarded(row: Row, grading: Grading, key: string): Promise<Row> {
  const ruled = rule(row, { judge: grading.judge, key })
  if (errorOf(ruled)) return ruled
  const held = row[key] as string | { text: string; finish?: 'stop' | 'length' }
  const made = await grade(row, typeof held === 'string' ? { text: held } : held, grading)
  if (!('error' in made)) return extend(row, 'verdict', made.verdict)
  const { code, message, retryable } = made.error
  return fail(row, 'reward', code, message, retryable)
}
