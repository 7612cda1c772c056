/**
 * An LLM in a grader's seat: it is asked one thing at a time, greedily, and what it thinks before it answers is left
 * out. What it is asked is in extractor.ts and juror.ts.
 */
import { afterThought } from '../answers/extract.ts'
import type { Generator, Message, Sampling } from '../generate/types.ts'
import type { RowError } from './rows.ts'

/** Why there is no grade. */
export type Fault = Omit<RowError, 'stage'>

/** How graders draw: not at all. The tokens are for those that think first. */
export const sampling: Sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 4096 }

export class Seat {
  /** @param model the name that goes into the rows */
  constructor(
    private readonly generator: Generator,
    readonly model: string,
  ) {}

  /** Questions that may be under way at once. */
  get ahead(): number {
    return this.generator.ahead ?? 1
  }

  /** What the LLM says to `messages`, or why it does not. */
  async ask(messages: Message[]): Promise<string | Fault> {
    for await (const made of this.generator.generate([{ messages, images: [], keys: [] }])) {
      if ('error' in made) return made.error
      const { text, think } = afterThought(made.text)
      if (think !== 'unclosed' && made.finish === 'stop') return text.trim()
      return fault('too-long', `${this.model} came to no end within ${made.tokens} tokens`)
    }
    throw new Error('the generator gave no answer')
  }

  close(): Promise<void> {
    return this.generator.close()
  }
}

export const fault = (code: string, message: string): Fault => ({ code, message, retryable: true })

/** The end of `text`, where answers stand: `length` characters at most. */
export const endOf = (text: string, length: number) =>
  text.length > length ? `…${text.slice(-length).replace(/^[\udc00-\udfff]/, '')}` : text
