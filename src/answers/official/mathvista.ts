/**
 * MathVista's judge. Officially a language model extracts the answer and rules compare it: the rules are here, quirks
 * included (the nearest option counts, 4.7 is the integer 4); the extraction is the strict judge's, and where it finds
 * nothing there is no answer, and no option nearest to nothing.
 */
import { letterOf, optionTexts, spokenLetter } from '../choices.ts'
import { afterThought, type Extraction, extract } from '../extract.ts'
import { LIMITS, TooHard } from '../limits.ts'
import { normalize, words } from '../normalize.ts'
import { textOf, trimEdges } from '../strings.ts'
import { type Verdict, verdict } from '../verdict.ts'
import type { Problem } from '../verify.ts'
import { numberOf, rounded } from './numbers.ts'
import { held, lastSentence } from './prose.ts'

/** Characters of an answer, or of an option, that edit distance is taken of. */
const NEAR = 300

/** `unparseable` speaks of the answer, `unreachable gold` of the other side. */
type Outcome = 'right' | 'wrong' | 'unparseable' | 'too hard' | 'unreachable gold'

/** Judges one response. @param cut whether it was cut off */
export function mathvista(response: string, problem: Problem, cut: boolean): Verdict {
  const found = extract(response)
  if (found.think === 'unclosed') return verdict(null, cut ? 'truncated' : 'unclosed think')
  const options = optionsOf(problem)
  const answer = options.length > 0 && found.from !== 'box' ? spokenOption(response, found, options) : found.answer
  if (answer === null || answer.trim() === '') return verdict(null, cut ? 'truncated' : 'no answer')
  if (cut && found.from !== 'box') return verdict(answer, 'truncated')
  const outcomes = [answer, ...found.more].map(candidate => mathvistaOutcome(candidate, problem))
  if (outcomes.includes('right')) return verdict(answer, 'right')
  return verdict(answer, outcomes[0] === 'unparseable' ? (outcomes[1] ?? outcomes[0]) : outcomes[0])
}

/** As many as there are letters. */
const optionsOf = (problem: Problem) => optionTexts(problem.options).slice(0, 26)

/** Compares an extracted answer with the gold, by the kind of problem. */
export function mathvistaOutcome(answer: string, problem: Problem): Outcome {
  if (answer.length > LIMITS.answer) return 'too hard'
  const gold = textOf(Array.isArray(problem.answer) ? problem.answer[0] : problem.answer).trim()
  const options = optionsOf(problem)
  if (gold === '' || gold.length > LIMITS.answer) return 'unreachable gold'
  if (options.length > 0) return choiceOutcome(answer, gold, options)
  try {
    if (/^[[(]/.test(gold)) return listOutcome(answer, gold)
    const found = numberOf(answer)
    if (found === null) return /^[-+.\d]/.test(gold) ? 'unparseable' : words(answer) === words(gold) ? 'right' : 'wrong'
    if (Number.isNaN(Number(gold))) return words(answer) === words(gold) ? 'right' : 'wrong'
    const places = problem.answer_type === 'integer' ? 0 : placesOf(problem.precision, gold)
    const { value, written } = found
    const read = places > 0 ? rounded(value, places) : written ? Math.trunc(value) : whole(value)
    return read === Number(gold) ? 'right' : 'wrong'
  } catch (error) {
    if (error instanceof TooHard || error instanceof RangeError) return 'too hard'
    throw error
  }
}

/** A letter in brackets, a bare letter, an option's words, a letter before them, or else the option nearest in spelling. */
function choiceOutcome(answer: string, gold: string, options: string[]): Outcome {
  const letters = options.map((_, i) => String.fromCharCode(65 + i))
  const golds = options.includes(gold) ? gold : options[letters.indexOf(gold)]
  if (golds === undefined) return 'unreachable gold'
  const said = words(answer)
  const named = (/\(([a-zA-Z])\)/.exec(answer)?.[1] ?? (said.length === 1 ? said : '')).toUpperCase()
  const texts = options.map(words)
  let index = letters.indexOf(named)
  if (index < 0) index = texts.indexOf(said)
  if (index < 0) index = letters.indexOf(letterOf(answer) ?? '')
  if (index < 0) {
    const plain = plainOf(answer)
    if (plain === '' || plain.length > NEAR) return 'unparseable'
    const distances = options.map(option => distance(plain, plainOf(option).slice(0, NEAR)))
    index = distances.indexOf(Math.min(...distances))
  }
  return options[index] === golds ? 'right' : 'wrong'
}

/** An answer as it looks on paper, less what LaTeX needs around it. */
const plainOf = (text: string) =>
  text
    .replace(/\\(?:text|textbf|mathrm|mathbf) *\{([^{}]*)\}|\$/g, '$1')
    .replace(/\^\{?\\circ\}?|\\degree/g, '°')
    .trim()

/** What a response without a box chooses: a letter, the one option that it speaks of, or what it says in few words. */
function spokenOption(response: string, { answer, from }: Extraction, options: string[]): string | null {
  const text = afterThought(response).text.trim()
  const letter = spokenLetter(text, options.length)
  if (letter) return letter
  if (from === 'phrase') return mentioned(answer ?? '', options) ?? answer
  const [opening] = /^[^,.\n]{1,40}/.exec(text) ?? ['']
  // numbers are in a problem's own text too: only the first and the last words tell which is meant
  const whole = options.some(option => /\d/.test(option)) ? '' : text.slice(-4_000)
  for (const part of [opening, lastSentence(text), whole]) {
    const option = mentioned(part, options)
    if (option) return option
  }
  // a sentence is near to nothing
  return answer !== null && answer.length <= 20 + Math.max(...options.map(option => option.length)) ? answer : null
}

/** The one option whose words are in the text; null where there are several, or none. */
function mentioned(text: string, options: string[]): string | null {
  const found = held(
    text,
    options.filter(option => option.trim().length > 1),
  )
  return new Set(found).size === 1 ? found[0] : null
}

/** Levenshtein's distance of two texts, in O(mn) time and O(n) memory. */
export function distance(a: string, b: string): number {
  const row = Uint16Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    let corner = row[0]
    row[0] = i
    for (let j = 1; j <= b.length; j++) {
      const swapped = corner + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1)
      corner = row[j]
      row[j] = Math.min(row[j] + 1, row[j - 1] + 1, swapped)
    }
  }
  return row[b.length]
}

/** Elements in order, whatever brackets are around them. */
function listOutcome(answer: string, gold: string): Outcome {
  const [said, asked] = [answer, gold].map(elements)
  if (said.length > LIMITS.items) return 'too hard'
  const same = (x: string, y: string) => (y !== '' && Number(x) === Number(y)) || words(x) === words(y)
  return said.length === asked.length && asked.every((x, i) => same(x, said[i])) ? 'right' : 'wrong'
}

const elements = (text: string) =>
  trimEdges(normalize(text).replace(/\\[{}]/g, ' '), ' []()')
    .split(',')
    .map(item => item.trim().replace(/^(['"])(.*)\1$/, '$2'))

/** Decimal places that an item rounds to: its precision, or the gold's own. */
function placesOf(precision: unknown, gold: string): number {
  const places = typeof precision === 'number' ? Math.trunc(precision) : (/\.(\d+)$/.exec(gold)?.[1].length ?? 0)
  return Math.max(0, Math.min(places, 15))
}

/** The integer that a value is, rounding noise aside. */
function whole(value: number): number {
  const near = Math.round(value)
  return Math.abs(value - near) < 1e-9 ? near : value
}
