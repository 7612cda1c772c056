/** What a sentence speaks of, for judges that take a phrase for an answer. */
import { words } from '../normalize.ts'

/** Characters at the end of a text that are looked at. */
const TAIL = 4_000

/** Those of `phrases` whose words stand in `text`, whole and in order. Linear in their lengths. */
export function held(text: string, phrases: string[]): string[] {
  const spaced = bare(text)
  return phrases.filter(phrase => /[\p{L}\p{N}]/u.test(phrase) && spaced.includes(bare(phrase)))
}

function bare(text: string): string {
  const spaced = words(text.slice(-TAIL)).replace(/[^\p{L}\p{N}.^\\-]+|\.(?!\d)/gu, ' ')
  return ` ${spaced.trim()} `
}

/** The last sentence, or line, that has anything in it. */
export function lastSentence(text: string): string {
  const parts = text.slice(-TAIL).split(/\n+|[.!?](?=\s)/)
  return parts.filter(part => /[\p{L}\p{N}]/u.test(part)).at(-1) ?? ''
}
