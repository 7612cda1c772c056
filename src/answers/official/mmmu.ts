/**
 * MMMU's judge. Choices are the strict judge's, which never draws a letter as the official rule does where it finds none.
 * An open answer may also be the gold's number once both are rounded to two decimals, units aside, or a statement that
 * holds the gold's words, whole: officially any part of them will do, anywhere in the response.
 */
import { optionTexts } from '../choices.ts'
import { afterThought, extract } from '../extract.ts'
import { LIMITS, TooHard } from '../limits.ts'
import { textOf } from '../strings.ts'
import { type Verdict, verdict } from '../verdict.ts'
import type { Problem } from '../verify.ts'
import { numberOf, rounded } from './numbers.ts'
import { held, lastSentence } from './prose.ts'

const FINAL = new Set(['right', 'truncated', 'unclosed think', 'too hard', 'unreachable gold'])

/** Judges one response. @param strict the strict judge @param cut whether it was cut off */
export function mmmu(
  response: string,
  problem: Problem,
  cut: boolean,
  strict: (response: string, problem: Problem, cut: boolean) => Verdict,
): Verdict {
  const first = strict(response, problem, cut)
  if (FINAL.has(first.reason) || optionTexts(problem.options).length > 0) return first
  const { answer, from } = extract(response)
  const said = from === 'box' || from === 'phrase' ? answer : lastSentence(afterThought(response).text)
  if (said === null || said.length > LIMITS.answer) return first
  try {
    const golds = [problem.answer].flat().map(textOf)
    return golds.some(gold => saidBy(said, gold)) ? verdict(said, 'right') : first
  } catch (error) {
    if (error instanceof TooHard || error instanceof RangeError) return verdict(said, 'too hard')
    throw error
  }
}

function saidBy(said: string, gold: string): boolean {
  const plain = gold.replaceAll(',', '').trim()
  if (plain === '' || plain.length > LIMITS.answer) return false
  if (/^-?\d*\.?\d+$/.test(plain)) {
    const found = numberOf(said)
    return found !== null && rounded(found.value, 2) === rounded(Number(plain), 2)
  }
  return plain.length > 1 && /\p{L}/u.test(plain) && held(said, [gold]).length > 0
}
