/**
 * What a report holds of eval's rows: the problem once, each response's text apart from what the list of items needs to
 * know of it, so that a page of thousands of long thoughts opens without reading them. Leaves out keys that nothing shows.
 */
import { afterThought } from '../../answers/extract.ts'
import { errorOf, questionOf, type Row } from '../rows.ts'
import type { Response } from '../score.ts'

/** A problem as an item shows it. */
export interface Shown {
  question: string
  options: string[]
  gold: string
  unit: string
  tolerance: string
  solution: string
  /** The number of an embedded picture, or why it is not there. */
  pictures: (number | string)[]
}

/** A stretch of a response, in the order in which it was written. */
export interface Part {
  kind: 'thought' | 'text'
  text: string
  /** A thought that never ended. */
  open?: boolean
}

/** What the list knows of a response; its text is in the block of this number. */
export interface Listed extends Omit<Response, 'text' | 'verdict'> {
  block: number
  reward: 0 | 1
  reason: string
  answer: string | null
  /** The LLM that judged, where one did; right steps of all, where there are several. */
  judge?: string
  steps?: { right: number; of: number }
}

/** An item of the list: a problem with what its responses came to. */
export interface Item {
  id: string
  /** The beginning of the question. */
  line: string
  block: number
  /** Of all its responses, also those that are not embedded. */
  right: number
  samples: number
  responses: Listed[]
  /** What its rows carry in place of a response. */
  errors: string[]
  /** Short values of the row, for filters. */
  facets: Record<string, string>
}

/** Lengths of responses, right ones and wrong ones, in tokens, or in characters where answers came without tokens. */
export interface Lengths {
  unit: 'tokens' | 'characters'
  right: number[]
  wrong: number[]
}

/** The judged response of a row; undefined where there is none, whatever else stands there. */
export function judgedOf(row: Row): Response | undefined {
  const held = row.response as Partial<Response> | string | null | undefined
  if (errorOf(row) || typeof held !== 'object' || held === null || typeof held.text !== 'string') return undefined
  const { text, verdict } = held
  if (verdict?.reward !== 0 && verdict?.reward !== 1) return undefined
  return {
    index: Number(held.index ?? 0),
    text,
    tokens: Number(held.tokens ?? 0) || 0,
    finish: held.finish === 'length' ? 'length' : 'stop',
    model: textual(held.model),
    verdict: {
      reward: verdict.reward,
      reason: textual(verdict.reason),
      answer: verdict.answer === null || verdict.answer === undefined ? null : textual(verdict.answer),
      ...(verdict.judge && { judge: textual(verdict.judge) }),
      ...(verdict.steps && { steps: { right: Number(verdict.steps.right), of: Number(verdict.steps.of) } }),
    },
  }
}

/** What a row without a judged response has to say for itself. */
export function complaintOf(row: Row): string {
  const error: unknown = errorOf(row)
  if (typeof error === 'object' && error !== null) {
    const { stage, code, message } = error as Record<string, unknown>
    return `${textual(stage)}: ${textual(code)}: ${textual(message)}`
  }
  return error === undefined ? 'no judged response' : textual(error)
}

export function shownOf(row: Row, pictures: (number | string)[]): Shown {
  return {
    question: questionOf(row),
    options: Array.isArray(row.options) ? row.options.map(textual) : [],
    gold: textual(row.answer),
    unit: textual(row.unit),
    tolerance: textual(row.tolerance),
    solution: textual(row.solution),
    pictures,
  }
}

/** A response as thought and what was written outside of it. The tags at a thought's two ends are left out. */
export function partsOf(response: string): Part[] {
  const { text, think } = afterThought(response)
  if (think === 'none') return [{ kind: 'text', text }]
  const outside: Part[] = text.trim() === '' ? [] : [{ kind: 'text', text: text.trim() }]
  const thought = think === 'closed' ? response.slice(0, response.length - text.length) : response.slice(text.length)
  const bare = thought.replace(/^\s*<think(?:ing)?>/, '').replace(/<\/think(?:ing)?>\s*$/, '')
  return think === 'closed'
    ? [{ kind: 'thought', text: bare.trim() }, ...outside]
    : [...outside, { kind: 'thought', text: bare.trim(), open: true }]
}

/** Values that may serve as a filter. Which of them do is known when the groups of the result are. */
export function facetsOf(row: Row): Record<string, string> {
  const short = Object.entries(row).filter(
    ([key, value]) => /^(string|number|boolean|bigint)$/.test(typeof value) && key !== 'id' && key !== 'answer',
  )
  return Object.fromEntries(short.map(([key, value]) => [key, String(value)]).filter(([, value]) => value.length <= 80))
}

/** Any value as text for people: nothing for null, lists with commas, objects as JSON. */
function textual(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textual).join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
