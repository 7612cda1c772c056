/**
 * DynaMath's judge: a number within 0.001, the letter of a choice, or a text. The official one reads the `short answer`
 * of a JSON; ours reads the last box, or else that. A number counts for its value (`\frac{2\pi}{3}`, which the official
 * one cannot read), and a text where it holds the gold letter for letter, as there, or is the same mathematics.
 */
import { letterOf } from './choices.ts'
import { strictEqual } from './equal.ts'
import { afterThought, extract } from './extract.ts'
import { LIMITS } from './limits.ts'
import { textOf } from './strings.ts'
import { type Verdict, verdict } from './verdict.ts'
import type { Problem } from './verify.ts'

/** Absolute, and inclusive, as there. */
const WITHIN = 0.001

export function dynamath(response: string, problem: Problem, cut: boolean): Verdict {
  const found = extract(response)
  if (found.think === 'unclosed') return verdict(null, cut ? 'truncated' : 'unclosed think')
  const stated = found.from === 'box' ? null : shortAnswer(response)
  const answer = stated ?? found.answer
  if (answer === null || answer.trim() === '') return verdict(null, cut ? 'truncated' : 'no answer')
  if (answer.length > LIMITS.answer) return verdict(answer, 'too hard')
  if (cut && stated === null && found.from !== 'box') return verdict(answer, 'truncated')
  const gold = textOf(problem.answer).trim()
  if (gold === '') return verdict(answer, 'unreachable gold')
  const type = textOf(problem.answer_type)
  if (type === 'multiple choice') return verdict(answer, letterOf(answer) === gold ? 'right' : 'wrong')
  const value = type === 'text' ? null : plainNumber(gold)
  if (value !== null) {
    const given = plainNumber(answer)
    if (given !== null) return verdict(answer, Math.abs(given - value) <= WITHIN ? 'right' : 'wrong')
  } else if (unwrapped(answer).includes(gold)) return verdict(answer, 'right')
  const outcome = strictEqual(gold, answer, { tolerance: WITHIN })
  return verdict(answer, outcome === 'bad gold' ? 'unreachable gold' : outcome)
}

/** The official form of an answer: `"short answer": "…"`, the last one. */
function shortAnswer(response: string): string | null {
  const text = afterThought(response).text.slice(-LIMITS.response)
  const at = text.lastIndexOf('"short answer"')
  if (at < 0) return null
  const held = /^"short answer"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"}][^,"}\n]*))/.exec(
    text.slice(at, at + LIMITS.answer),
  )
  return held ? (held[1] ?? held[2]).trim() : null
}

/** A text without what LaTeX puts around it. */
function unwrapped(answer: string): string {
  return answer.replace(/\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}/g, '$1').replace(/\\left|\\right|\$/g, '')
}

/** A decimal numeral, with π or a unit after it or without; null for all else, formulas too. */
function plainNumber(answer: string): number | null {
  const text = answer
    .replace(/\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}/g, ' $1')
    .replace(/\\[,;:! ]|~|\^\s*\{?\s*\\circ\s*\}?|°|\$|\\?%/g, ' ')
    .replace(/\\pi(?![a-zA-Z])/g, 'π')
    .replace(/−/g, '-')
    .trim()
  const match =
    /^([-+]?)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)?(e[-+]?\d+)?\s*(π?)(?:\s+[a-zA-Z][\w²³/^{}]*)*\.?$/i.exec(
      text,
    )
  if (!match || (match[2] === undefined && match[4] === '')) return null
  const numeral = Number(`${match[1]}${(match[2] ?? '1').replaceAll(',', '')}${match[3] ?? ''}`)
  return match[4] ? numeral * Math.PI : numeral
}
