/**
 * The verifier: a response, a problem and a judge make a verdict. One place where golds (several, with options, units, tolerances) meet responses.
 * Pure, never throws for what a row contains, bounded by limits.ts. The judges differ in extraction and equality, not in what they report.
 */

import { boxes } from './boxes.ts'
import { goldLetter, letterOf, lettersOnly, optionText, optionTexts, spokenLetter } from './choices.ts'
import { dynamath } from './dynamath.ts'
import { type Allowance, type Outcome, strictEqual } from './equal.ts'
import { afterThought, type Extraction, extract, tagged } from './extract.ts'
import { mathvision, olympiadbench } from './judges.ts'
import { LIMITS, TooHard } from './limits.ts'
import { mathvisionEqual } from './official/mathvision.ts'
import { mathvista, mathvistaOutcome } from './official/mathvista.ts'
import { mmmu } from './official/mmmu.ts'
import { olympiadEqual } from './official/olympiadbench.ts'
import { mvmath } from './steps.ts'
import { textOf } from './strings.ts'
import { type Verdict, verdict } from './verdict.ts'

export { extract } from './extract.ts'

export type Judge = 'strict' | 'olympiadbench' | 'mathvision' | 'mathvista' | 'mmmu' | 'dynamath' | 'mv-math'

export type { Reason, Verdict } from './verdict.ts'

/** The fields of a problem that a judge reads; all but `answer` may be missing or null. */
export type Problem = {
  answer: unknown
  options?: unknown
  answer_type?: unknown
  unit?: unknown
  tolerance?: unknown
  /** MathVista: decimal places that answers are rounded to. */
  precision?: unknown
  language?: unknown
}

/**
 * Judges one response.
 * @param response what the model wrote, thought included
 * @param problem its `answer` is a text, a number, or a list of them: several golds any of which will do
 * @param judge see verifier.md; `strict` is the default of `reward`
 * @param extra `finish: 'length'` where the response was cut off
 */
export function verify(
  response: string,
  problem: Problem,
  judge: Judge = 'strict',
  extra: { finish?: 'stop' | 'length' } = {},
): Verdict {
  const cut = extra.finish === 'length'
  if (judge === 'mathvision') return mathvision(response, problem, cut)
  if (judge === 'mathvista') return mathvista(response, problem, cut)
  if (judge === 'mmmu') return mmmu(response, problem, cut, strict)
  if (judge === 'olympiadbench') return olympiadbench(response, problem, cut)
  if (judge === 'dynamath') return dynamath(response, problem, cut)
  if (judge === 'mv-math') return mvmath(response, problem, cut, strict)
  return strict(response, problem, cut)
}

function strict(response: string, problem: Problem, cut: boolean): Verdict {
  const golds = goldTexts(problem.answer)
  const options = optionTexts(problem.options)
  const found = extract(response)
  if (found.think === 'unclosed') return verdict(null, cut ? 'truncated' : 'unclosed think')
  const choice = options.length > 0 || (golds.length === 1 && goldLetter(golds[0]) !== null && found.from !== 'box')
  const answer =
    choice && found.from !== 'box'
      ? (spokenLetter(tagged(afterThought(response).text), options.length) ?? found.answer)
      : found.answer
  if (answer === null || answer.trim() === '') return verdict(null, cut ? 'truncated' : 'no answer')
  if (answer.length > LIMITS.answer) return verdict(answer, 'too hard')
  if (cut && found.from !== 'box') return verdict(answer, 'truncated')
  if (golds.length === 0) return verdict(answer, 'unreachable gold')
  const allowance: Allowance = {
    tolerance: toleranceOf(problem.tolerance),
    unit: typeof problem.unit === 'string' ? problem.unit.replace(/[$\\{}]|text|mathrm/g, ' ').trim() : '',
  }
  const outcomes: Outcome[] = []
  for (const gold of golds) {
    for (const candidate of [answer, ...found.more]) {
      const outcome = one(gold, candidate, options, allowance, found)
      if (outcome === 'right') return verdict(answer, 'right')
      outcomes.push(outcome)
    }
  }
  if (outcomes.every(outcome => outcome === 'bad gold')) return verdict(answer, 'unreachable gold')
  if (found.from !== 'box' && !/\d/.test(answer) && answer.split(/\s+/).length > 3) return verdict(null, 'no answer')
  if (outcomes.includes('wrong')) return verdict(answer, 'wrong')
  return verdict(answer, outcomes.includes('too hard') ? 'too hard' : 'unparseable')
}

function one(gold: string, answer: string, options: string[], allowance: Allowance, found: Extraction): Outcome {
  if (options.length > 0) {
    const letter = goldLetter(gold)
    const said = letterOf(answer)
    const text = letter ? optionText(letter, options) : null
    if (letter && said && said.charCodeAt(0) - 65 < options.length) {
      // an option may be a letter itself: the letter of the option wins, unless the text of another option is exactly what was said
      return said === letter ? 'right' : 'wrong'
    }
    if (letter) {
      if (text === null || lettersOnly(options)) return said === letter ? 'right' : 'wrong'
      return strictEqual(text, answer, allowance)
    }
    if (said) {
      const chosen = optionText(said, options)
      if (chosen !== null && strictEqual(gold, chosen, allowance) === 'right') return 'right'
    }
    return strictEqual(gold, answer, allowance)
  }
  const letter = goldLetter(gold)
  if (
    letter &&
    letter === letterOf(answer) &&
    (found.from !== 'box' ||
      /^[^A-Za-z]*[A-J][^A-Za-z]*$|^\\(?:text|math)|^(?:the )?(?:correct )?(?:option|choice|answer) /i.test(
        answer.trim(),
      ) ||
      /^\(?[A-J][).:]/.test(answer.trim()))
  )
    return 'right'
  // a gold like "C Cecile" is answered by its letter
  const lettered = /^\s*(?:\(([A-J])\)|([A-J])[.:)]?)\s+[A-Za-z]{2,}/.exec(gold)
  if (lettered && answer.trim() === (lettered[1] ?? lettered[2])) return 'right'
  return strictEqual(gold, answer, allowance)
}

/**
 * Whether two bare answers are one under a judge; no extraction but the official judges' own, the gold first.
 * @returns false too where a side cannot be read
 */
export function equal(gold: string, answer: string, judge: Judge = 'strict', allowance: Allowance = {}): boolean {
  if (judge === 'mathvision') return mathvisionEqual(answer, gold)
  if (judge === 'mathvista') return mathvistaOutcome(answer, { answer: gold }) === 'right'
  if (judge !== 'olympiadbench') return strictEqual(gold, answer, allowance) === 'right'
  try {
    return olympiadEqual(answer, gold, allowance.tolerance ? [allowance.tolerance] : undefined)
  } catch (error) {
    if (error instanceof TooHard || error instanceof RangeError) return false
    throw error
  }
}

/** The texts of a gold: several where it is a list, the contents of its boxes where it has some. */
function goldTexts(answer: unknown): string[] {
  const listed = typeof answer === 'string' && /^\s*\[\s*["']/.test(answer) ? optionTexts(answer) : []
  const list = listed.length > 0 ? listed : Array.isArray(answer) ? answer : [answer]
  const out: string[] = []
  for (const item of list) {
    const text = Array.isArray(item) ? item.map(textOf).join(', ') : textOf(item)
    const inside = text.includes('boxed') ? boxes(text) : []
    const gold = inside.length > 0 ? inside.map(box => box.content).join(', ') : text
    if (gold.trim() !== '') out.push(gold)
  }
  return out
}

function toleranceOf(tolerance: unknown): number {
  const value =
    typeof tolerance === 'number'
      ? tolerance
      : typeof tolerance === 'string' && tolerance.trim() !== ''
        ? Number(tolerance)
        : 0
  return Number.isFinite(value) && value > 0 ? value : 0
}
