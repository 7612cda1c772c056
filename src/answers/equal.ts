/**
 * Whether two answers are one answer under the strict judge: right is right, whatever the spelling; nothing is rounded, no unit dropped.
 * The texts are tried first, then their readings as mathematics (thousands or lists, decimal points or commas).
 */
import { type Node, some } from './ast.ts'
import { LIMITS, TooHard } from './limits.ts'
import { normalize, words } from './normalize.ts'
import { alike, plain } from './notation.ts'
import { readings } from './readings.ts'
import type { Rules } from './scalar.ts'
import { treeEqual } from './shapes.ts'

/** `unparseable` and `too hard` speak of the prediction, `bad gold` of the other side. */
export type Outcome = 'right' | 'wrong' | 'unparseable' | 'too hard' | 'bad gold'

/** What an item says about how exact an answer must be. */
export type Allowance = { tolerance?: number; unit?: string }

const CLOCK = /^(\d{1,2}):(\d\d)(?::(\d\d))?(?: ?(?:\\text ?\{ ?)?([ap])\.?m\b\.? ?\}?)?$/i
const CHAIN = /^\d+(?:\s*-\s*\d+){2,}$/
const PLAIN = /^[\p{L}\s'’-]+$/u

/** Compares two bare answers, extraction behind us. Never throws for what they contain. */
export function strictEqual(gold: string, pred: string, allowance: Allowance = {}): Outcome {
  if (pred.length > LIMITS.answer) return gold === pred ? 'right' : 'too hard'
  if (gold.length > LIMITS.answer) return 'bad gold'
  const g = plain(spelledOut(normalize(gold)))
  const p = alike(plain(spelledOut(normalize(pred))), g)
  if (p === '') return 'unparseable'
  if (g === '') return 'bad gold'
  if (squeeze(g) === squeeze(p)) return 'right'
  if (sameWords(gold, pred)) return 'right'
  if (CLOCK.test(g) && CLOCK.test(p) && sameTime(g, p)) return 'right'
  if (letters(g) !== '' && letters(g) === letters(p)) return 'right'
  // 5-2-3-4-1 is an order of things, no difference
  if (CHAIN.test(g) || CHAIN.test(p)) return 'wrong'
  const goldReadings = readings(g)
  const predReadings = readings(p)
  if (typeof predReadings === 'string')
    return isWords(p) || typeof goldReadings === 'string'
      ? predReadings === 'too hard'
        ? predReadings
        : 'wrong'
      : predReadings
  if (typeof goldReadings === 'string') return isWords(g) ? 'wrong' : 'bad gold'
  const rules: Rules = {
    budget: { visits: LIMITS.visits },
    tolerance: allowance.tolerance ?? 0,
    unit: allowance.unit ?? '',
  }
  try {
    for (const x of goldReadings)
      for (const y of predReadings) if (!prose(x) && !prose(y) && treeEqual(x, y, rules)) return 'right'
  } catch (error) {
    if (error instanceof TooHard || error instanceof RangeError) return 'too hard'
    throw error
  }
  return 'wrong'
}

const NUMBERS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'.split(
    ' ',
  )

/** `Three` is 3 where it is all of the answer. */
function spelledOut(text: string): string {
  if (text.length > 24 || !/^[a-z]|^\\text/i.test(text)) return text
  const at = NUMBERS.indexOf(words(text))
  return at < 0 ? text : String(at)
}

const squeeze = (s: string) => s.replace(/\s+/g, '')

/** Answers in words: `\text{East}` is `east`. Single letters and mathematics keep their case. */
function sameWords(gold: string, pred: string): boolean {
  const [g, p] = [gold, pred].map(text => words(text).replace(/^(?:an?|the) (?=\p{L})/u, ''))
  if (g === '' || g !== p) return false
  return isWords(g) && g.replace(/[^\p{L}]/gu, '').length >= 2
}

function isWords(text: string): boolean {
  return PLAIN.test(words(text))
}

/** Times of day; half past three is both of the morning and of the afternoon where nothing is said. */
function sameTime(gold: string, pred: string): boolean {
  const [g, p] = [gold, pred].map(text => (CLOCK.exec(text) as RegExpExecArray).slice(1))
  const equal = (i: number) => Number(g[i] ?? 0) === Number(p[i] ?? 0)
  return [0, 1, 2].every(equal) && (!g[3] || !p[3] || g[3].toLowerCase() === p[3].toLowerCase())
}

/** Several choices at once, `A, C` or `CA`, as sorted letters; nothing for other answers. */
function letters(text: string): string {
  if (text.length > 60) return ''
  const found = text.replace(/\\text ?\{ ?(and|[A-J]+) ?\}/g, ' $1 ').replace(/\band\b|[\s,;]/g, '')
  return /^(?!.*(.).*\1)[A-J]{2,10}$/.test(found) ? [...found].sort().join('') : ''
}

/** Words without a number are no product of units: word order counts, and their texts differ already. */
function prose(node: Node): boolean {
  return (
    some(node, x => x.k === 'sym' && x.unit === true && x.name !== '%' && x.name !== 'deg') &&
    !some(node, x => x.k === 'num' || x.k === 'rel')
  )
}
