/**
 * reason: N slow-thinking trajectories y ~ π̄(· | x̂^q) for a caption, drawn from a frozen reasoner that reads the
 * caption in place of the picture. It is told to speak as if it saw.
 */
import type { Generator, Request } from '../generate/types.ts'
import { fan, type Refusal } from './fan.ts'
import { fill } from './prompts.ts'
import { captionOf, errorOf, extend, idOf, questionOf, type Row, type Trajectory } from './rows.ts'

export interface ReasonOptions {
  /** N: trajectories for a caption. */
  trajectories: number
  /** Template of x̂^q. */
  prompt: string
  /** The reasoner's name, for the record. */
  model: string
}

/** Rows that go through as they are: failed ones, and those that have a trajectory. */
export function passesReason(row: Row): boolean {
  return errorOf(row) !== undefined || (row.trajectory !== undefined && row.trajectory !== null)
}

/** N rows for each caption, each with a `trajectory`; or one row with an error. */
export async function* reason(
  rows: AsyncIterable<Row> | Iterable<Row>,
  generator: Generator,
  { trajectories, prompt, model }: ReasonOptions,
): AsyncGenerator<Row> {
  const ask = async (row: Row): Promise<Request[] | Refusal | null> => {
    if (passesReason(row)) return null
    const caption = captionOf(row)
    if (!caption) return { code: 'no-caption', message: 'expected a caption, got none: run caption first' }
    if (questionOf(row) === '') return { code: 'no-question', message: 'expected text under question, got none' }
    const messages = [{ role: 'user' as const, text: fill(prompt, row, caption.text) }]
    return Array.from({ length: trajectories }, (_, index) => ({
      messages,
      images: [],
      keys: [idOf(row), caption.index, index],
    }))
  }
  for await (const { row, samples } of fan('reason', rows, generator, ask)) {
    if (!samples) yield row
    else
      for (const [index, { text, tokens, finish }] of samples.entries())
        yield extend(row, 'trajectory', { index, text, tokens, finish, model } satisfies Trajectory)
  }
}
