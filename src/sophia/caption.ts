/**
 * caption: K descriptions c ~ π_θ(· | x^d, v) of a problem's pictures, drawn from the policy itself: this half of the
 * off-policy sample is the policy's own seeing. The question is not shown.
 */
import type { Generator, Request } from '../generate/types.ts'
import { fan, pictures, type Refusal } from './fan.ts'
import { checkCaptionPrompt } from './prompts.ts'
import { type Caption, errorOf, extend, idOf, type Row } from './rows.ts'

export interface CaptionOptions {
  /** K: captions for a problem. */
  captions: number
  /** x^d */
  prompt: string
  /** The encoded pictures of a row. */
  images: (row: Row) => Promise<Uint8Array[]>
}

/** Rows that go through as they are: failed ones, and those that have a caption. */
export function passesCaption(row: Row): boolean {
  return errorOf(row) !== undefined || (row.caption !== undefined && row.caption !== null)
}

/** K rows for each problem, each with a `caption`; or one row with an error. */
export async function* caption(
  rows: AsyncIterable<Row> | Iterable<Row>,
  generator: Generator,
  { captions, prompt, images }: CaptionOptions,
): AsyncGenerator<Row> {
  checkCaptionPrompt(prompt)
  const ask = async (row: Row): Promise<Request[] | Refusal | null> => {
    if (passesCaption(row)) return null
    const seen = await pictures(row, images)
    if (!Array.isArray(seen)) return seen
    if (seen.length === 0) return { code: 'no-image', message: 'expected a picture under images (or image), got none' }
    const messages = [{ role: 'user' as const, text: prompt, images: seen.length }]
    return Array.from({ length: captions }, (_, index) => ({ messages, images: seen, keys: [idOf(row), index] }))
  }
  for await (const { row, samples } of fan('caption', rows, generator, ask)) {
    if (!samples) yield row
    else
      for (const [index, { text, tokens, finish, logprob }] of samples.entries())
        yield extend(row, 'caption', { index, text, tokens, finish, logprob } satisfies Caption)
  }
}
