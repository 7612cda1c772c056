/**
 * eval: the policy answers problems that it was not trained on, picture and question in front of it, under the
 * slow-thinking system prompt, and each answer is judged. One row a response; the result is counted in score.ts.
 */
import type { Benchmark } from '../benchmarks/index.ts'
import type { Generator, Message, Request } from '../generate/types.ts'
import { inOrder } from '../io/order.ts'
import { without } from '../io/row.ts'
import { fan, pictures, type Refusal } from './fan.ts'
import { aheadOf, type Grading, grade } from './grade.ts'
import { fill, promptsFor, templateFrom } from './prompts.ts'
import { errorOf, extend, fail, idOf, questionOf, type Row } from './rows.ts'
import type { Response } from './score.ts'

export interface EvaluateOptions extends Grading {
  /** Responses to a problem. */
  samples: number
  /** Template of the question, for all rows or for each, and the slow-thinking system prompt ('' for none). */
  prompt: string | ((row: Row) => string)
  system: string
  /** The model's name, for the record. */
  model: string
  /** The encoded pictures of a row. */
  images: (row: Row) => Promise<Uint8Array[]>
}

/** What eval asks with: --prompt, or the benchmark's template, or the model's; and the system prompt. */
export function askingOf({ model, prompt, benchmark }: { model: string; prompt?: string; benchmark?: Benchmark }) {
  const { answer, system } = promptsFor(model)
  return { prompt: prompt === undefined ? (benchmark?.prompt ?? answer) : templateFrom(prompt), system }
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
  const answered = fan('eval', rows, generator, ask)
  // The responses to a problem are all there or none: a row with an error stands for all of them.
  const graded = inOrder(answered, aheadOf(options), async ({ row, samples }) => {
    if (!samples) return [row]
    const made = await Promise.all(samples.map((sample, index) => judged(row, { ...sample, index }, options)))
    const failed = made.find(one => errorOf(one))
    return failed ? [failed] : made
  })
  for await (const made of graded) yield* made
}

/** The conversation in which a policy is asked a problem: what train teaches to answer, and eval asks. */
export function asked(row: Row, images: number, { prompt, system }: { prompt: string; system: string }): Message[] {
  const question: Message = { role: 'user', text: fill(prompt, row), images }
  return system === '' ? [question] : [{ role: 'system', text: system }, question]
}

export interface RescoreOptions extends Grading {
  /** Which key holds the saved answer: text, or an object with `text` and `finish`. */
  key: string
  /** Who answered, where neither the answer nor the row says it. */
  model: string
  /** The problems by id, where the rows do not hold them themselves. */
  problems?: Map<string, Row>
}

const WHERE = '--benchmark and --data say which problems these are answers to'

/** Judges answers that any model gave at some other time: a row with a `response` as eval makes it, or with an error. */
export async function* rescore(rows: Iterable<Row>, options: RescoreOptions): AsyncGenerator<Row> {
  const { key, model, problems } = options
  for (const row of rows) {
    const saved = row[key] as string | Partial<Response> | null | undefined
    const held = typeof saved === 'string' ? { text: saved } : saved
    const problem = problems?.get(idOf(row))
    if (typeof errorOf(row) === 'object') yield row
    else if (typeof held?.text !== 'string')
      yield fail(row, 'eval', `no-${key}`, `expected text, or an object with text, under ${key}`)
    else if (problems && !problem)
      yield fail(row, 'eval', 'no-problem', `expected an id of the benchmark, got ${idOf(row)}`)
    else if (!problems && (row.answer === undefined || row.answer === null))
      yield fail(row, 'eval', 'no-answer', `expected a golden answer under answer, got none: ${WHERE}`)
    else if (problem && errorOf(problem)) yield { ...row, error: errorOf(problem) }
    else {
      const { index = 0, text, tokens = 0, finish = 'stop' } = held
      const name = held.model ?? (typeof row.model === 'string' ? row.model : model)
      const bare = 'error' in row ? without(row, 'error') : row // OlympiadBench's items hold their tolerance there
      const whole = problem ? { ...bare, ...problem } : bare
      yield await judged(whole, { index, text, tokens, finish }, { ...options, model: name })
    }
  }
}

async function judged(
  row: Row,
  { index, text, tokens, finish }: Omit<Response, 'model' | 'verdict'>,
  { model, ...grading }: Grading & { model: string },
): Promise<Row> {
  const made = await grade(row, { text, finish }, grading)
  if (!('error' in made))
    return extend(row, 'response', { index, text, tokens, finish, model, ...made } satisfies Response)
  const { code, message, retryable } = made.error
  return fail(row, 'eval', code, message, retryable)
}
