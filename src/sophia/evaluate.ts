/**
 * eval: the policy answers problems that it was not trained on, picture and question in front of it, under the
 * slow-thinking system prompt, and each answer is judged. One row a response; the result is counted in score.ts.
 */
import type { Judge } from '../answers/verify.ts'
import type { Generator, Message, Request } from '../generate/types.ts'
import { without } from '../io/row.ts'
import { fan, pictures, type Refusal } from './fan.ts'
import { fill } from './prompts.ts'
import { judge } from './reward.ts'
import { errorOf, extend, fail, idOf, questionOf, type Row, type Verdict } from './rows.ts'
import type { Response } from './score.ts'

export interface EvaluateOptions {
  /** Responses to a problem. */
  samples: number
  /** Template of the question, for all rows or for each, and the slow-thinking system prompt ('' for none). */
  prompt: string | ((row: Row) => string)
  system: string
  judge: Judge
  /** The model's name, for the record. */
  model: string
  /** The encoded pictures of a row. */
  images: (row: Row) => Promise<Uint8Array[]>
}

/** Rows that go through as they are: failed ones, and those that have a response. */
export function passesEvaluate(row: Row): boolean {
  return errorOf(row) !== undefined || (row.response !== undefined && row.response !== null)
}

/** `samples` rows for each problem, each with a judged `response`; or one row with an error. */
export async function* evaluate(
  rows: AsyncIterable<Row> | Iterable<Row>,
  generator: Generator,
  options: EvaluateOptions,
): AsyncGenerator<Row> {
  const ask = async (row: Row): Promise<Request[] | Refusal | null> => {
    if (passesEvaluate(row)) return null
    if (questionOf(row) === '') return { code: 'no-question', message: 'expected text under question, got none' }
    const images = await pictures(row, options.images)
    if (!Array.isArray(images)) return images
    const { prompt, system } = options
    const template = typeof prompt === 'string' ? prompt : prompt(row)
    const messages = asked(row, images.length, { prompt: template, system })
    return Array.from({ length: options.samples }, (_, index) => ({ messages, images, keys: [idOf(row), index] }))
  }
  for await (const { row, samples } of fan('eval', rows, generator, ask)) {
    if (!samples) yield row
    else for (const [index, sample] of samples.entries()) yield judged(row, { ...sample, index }, options)
  }
}

/** The conversation in which a policy is asked a problem: what train teaches to answer, and eval asks. */
export function asked(row: Row, images: number, { prompt, system }: { prompt: string; system: string }): Message[] {
  const question: Message = { role: 'user', text: fill(prompt, row), images }
  return system === '' ? [question] : [{ role: 'system', text: system }, question]
}

export interface RescoreOptions {
  judge: Judge
  /** Which key holds the saved answer: text, or an object with `text` and `finish`. */
  key: string
  /** Who answered, where neither the answer nor the row says it. */
  model: string
  /** The problems by id, where the rows do not hold them themselves. */
  problems?: Map<string, Row>
}

/** Judges answers that any model gave at some other time: a row with a `response` as eval makes it, or with an error. */
export function* rescore(rows: Iterable<Row>, { judge, key, model, problems }: RescoreOptions): Iterable<Row> {
  for (const row of rows) {
    const saved = row[key] as string | Partial<Response> | null | undefined
    const held = typeof saved === 'string' ? { text: saved } : saved
    const problem = problems?.get(idOf(row))
    if (typeof errorOf(row) === 'object') yield row
    else if (typeof held?.text !== 'string')
      yield fail(row, 'eval', `no-${key}`, `expected text, or an object with text, under ${key}`)
    else if (problems && !problem)
      yield fail(row, 'eval', 'no-problem', `expected an id of the benchmark, got ${idOf(row)}`)
    else if (problem && errorOf(problem)) yield { ...row, error: errorOf(problem) }
    else {
      const { index = 0, text, tokens = 0, finish = 'stop' } = held
      const name = held.model ?? (typeof row.model === 'string' ? row.model : model)
      const bare = 'error' in row ? without(row, 'error') : row // OlympiadBench's items hold their tolerance there
      yield judged(problem ? { ...bare, ...problem } : bare, { index, text, tokens, finish }, { judge, model: name })
    }
  }
}

function judged(
  row: Row,
  sample: Omit<Response, 'model' | 'verdict'>,
  { judge: judgeName, model }: Pick<EvaluateOptions, 'judge' | 'model'>,
): Row {
  const { index, text, tokens, finish } = sample
  const verdictRow = judge({ ...row, response: { text, finish } }, { judge: judgeName, key: 'response' })
  if (errorOf(verdictRow)) return { ...row, error: { ...errorOf(verdictRow), stage: 'eval' } }
  const verdict = verdictRow.verdict as Verdict
  return extend(row, 'response', { index, text, tokens, finish, model, verdict } satisfies Response)
}
