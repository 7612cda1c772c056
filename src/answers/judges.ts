/**
 * The two official judges on whole rows: what is extracted, which golds and options it meets, and why a verdict is what it is.
 * The strict judge's rows are verify.ts's own.
 */
import { optionTexts } from './choices.ts'
import { afterThought } from './extract.ts'
import { LIMITS, TooHard } from './limits.ts'
import { mathvisionEqual, mathvisionExtract } from './official/mathvision.ts'
import { olympiadEqual } from './official/olympiadbench.ts'
import { textOf } from './strings.ts'
import { verdict } from './verdict.ts'
import type { Problem, Verdict } from './verify.ts'

const FINAL = { en: 'So the final answer is ', zh: '所以最终答案是' } as const

/** MathVision: the letter, or the text of its option. */
export function mathvision(response: string, problem: Problem, cut: boolean): Verdict {
  const { text: whole, think } = afterThought(response)
  const text = whole.slice(-LIMITS.response)
  const gold = textOf(problem.answer)
  const options = optionTexts(problem.options)
  const chosen = options.length > 0 && gold.length === 1 ? (options[gold.charCodeAt(0) - 65] ?? '') : ''
  if (text.trim() === '') return verdict(null, silent(think, cut))
  const answer = mathvisionExtract(text)
  if (answer === '') return verdict(null, silent(think, cut))
  if (answer.length > LIMITS.answer) return verdict(answer, 'too hard')
  if (mathvisionEqual(answer, gold) || mathvisionEqual(answer, chosen)) return verdict(answer, 'right')
  const box = mathvisionExtract(`\\boxed{${gold}}`)
  if (!mathvisionEqual(box, gold)) return verdict(answer, 'unreachable gold')
  return verdict(
    answer,
    think === 'unclosed'
      ? cut
        ? 'truncated'
        : 'unclosed think'
      : cut && !text.includes('oxed{')
        ? 'truncated'
        : 'wrong',
  )
}

function silent(think: string, cut: boolean): 'truncated' | 'unclosed think' | 'no answer' {
  return cut ? 'truncated' : think === 'unclosed' ? 'unclosed think' : 'no answer'
}

/** OlympiadBench: the last final-answer sentence, else all of the output, against the first gold. */
export function olympiadbench(response: string, problem: Problem, cut: boolean): Verdict {
  const { text: whole, think } = afterThought(response)
  const text = whole.slice(-LIMITS.response)
  const gold = textOf(Array.isArray(problem.answer) ? problem.answer[0] : problem.answer)
  if (text.trim() === '') return verdict(null, silent(think, cut))
  const answer = finalSentence(text, textOf(problem.language))
  const precisions = precisionsOf(problem)
  try {
    if (olympiadEqual(answer, gold, precisions)) return verdict(shown(answer), 'right')
  } catch (error) {
    if (!(error instanceof TooHard) && !(error instanceof RangeError)) throw error
    return verdict(shown(answer), 'too hard')
  }
  if (gold.trim() === '') return verdict(shown(answer), 'unreachable gold')
  if (think === 'unclosed') return verdict(null, cut ? 'truncated' : 'unclosed think')
  if (cut && !answer.includes('\\boxed{')) return verdict(shown(answer), 'truncated')
  return verdict(shown(answer), 'wrong')
}

/** The line after the last final-answer phrase of the item's language; both are tried where it is not known. */
function finalSentence(text: string, language: string): string {
  const phrases = /^(?:zh|chinese)/i.test(language)
    ? [FINAL.zh]
    : /^en/i.test(language)
      ? [FINAL.en]
      : [FINAL.en, FINAL.zh]
  for (const phrase of phrases) {
    const at = text.lastIndexOf(phrase)
    if (at >= 0) return text.slice(at + phrase.length).split('\n')[0]
  }
  return text
}

/** The last box, for people; the judge itself reads all of them. */
function shown(answer: string): string {
  const at = answer.lastIndexOf('\\boxed{')
  return at < 0 ? (answer.trim().split('\n').at(-1) ?? '') : answer.slice(at + 7).replace(/\}[^}]*$/, '')
}

/** `error` of the official files: blank, a number, or a list of them; ignored for tuples. */
function precisionsOf(problem: Problem): number[] {
  const { tolerance } = problem
  if (textOf(problem.answer_type).includes('Tuple')) return [1e-8]
  if (typeof tolerance === 'number') return [tolerance > 0 ? tolerance : 1e-8]
  if (typeof tolerance !== 'string' || tolerance.trim() === '') return [1e-8]
  return tolerance.split(',').map(x => (Number(x) > 0 ? Number(x) : 1e-8))
}
