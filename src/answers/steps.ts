/**
 * MV-MATH's judge. A choice and a single answer are judged strictly; where a problem asks several questions, each answer
 * is judged for itself: all must be right (question completeness), and `steps` tells how many are (step accuracy). The
 * official judge of all three is a language model; this one is a rule, so it is harder on answers in words.
 *
 * Assumed of responses, the first that fits: a box with numbered answers in it; a numbered part for each question with
 * its own answer at its end; as many boxes as questions, the last of them in order; one box with as many answers,
 * parted by semicolons or commas. A question without an answer is wrong; golds that only point to a proof do not count.
 */
import { type Box, boxes } from './boxes.ts'
import { strictEqual } from './equal.ts'
import { afterThought } from './extract.ts'
import { LIMITS } from './limits.ts'
import { textOf, trimEdges } from './strings.ts'
import { type Verdict, verdict } from './verdict.ts'
import type { Problem } from './verify.ts'

type Strict = (response: string, problem: Problem, cut: boolean) => Verdict

/** Questions that a problem may have: the official ones have up to five. */
const MOST = 16
const MARK = /(?:\\(?:text|textbf|mathrm) ?\{ ?)?[(（] ?([1-9]) ?[)）] ?\}?/g
const LINE_MARK =
  /(?:^|\n)[ \t>*#$-]{0,12}(?:(?:Question|Part) ?)?(?:\\(?:text|textbf) ?\{ ?)?(?:[(（] ?([1-9]) ?[)）]|([1-9]) ?[.)、](?!\d))/gi

/** Judges one response. @param strict judges one answer against its golds */
export function mvmath(response: string, problem: Problem, cut: boolean, strict: Strict): Verdict {
  if (textOf(problem.answer_type) !== 'multi-step') return strict(response, problem, cut)
  const listed = Array.isArray(problem.answer) ? problem.answer.map(textOf) : parts(textOf(problem.answer))
  const golds = listed.slice(0, MOST).map(gold => gold.slice(0, LIMITS.answer))
  const { text, think } = afterThought(response)
  const counted = golds.map((gold, i) => [gold, i] as const).filter(([gold]) => checkable(gold))
  if (counted.length === 0) return verdict(null, 'unreachable gold')
  const steps = { right: 0, of: counted.length }
  if (think === 'unclosed') return { ...verdict(null, cut ? 'truncated' : 'unclosed think'), steps }
  const given = answersIn(text.slice(-LIMITS.response), golds.map(checkable))
  if (given === null) return { ...verdict(null, cut ? 'truncated' : 'no answer'), steps }
  const shown: string[] = given.map(() => '')
  const judged = counted.map(([gold, i]) => {
    if (given[i].trim() === '') return 'no answer'
    const { answer, reason } = strict(given[i], { ...problem, answer: spellings(gold), options: [] }, false)
    shown[i] = answer ?? ''
    return reason === 'right' || (answer !== null && loose(gold, answer)) ? 'right' : reason
  })
  steps.right = judged.filter(reason => reason === 'right').length
  const answer = shown.map((said, i) => `(${i + 1}) ${said}`).join('; ')
  if (steps.right === steps.of) return { ...verdict(answer, 'right'), steps }
  const missed = judged.filter(reason => reason !== 'right')
  const reason = missed.every(other => other === missed[0]) ? missed[0] : 'wrong'
  return { ...verdict(answer, cut && reason === 'no answer' ? 'truncated' : reason), steps }
}

/**
 * The numbered parts of a text, `(1) … (2) …` in their order, numbers of either width; all of it where it has none. A
 * `(1)` within a part opens an inner list, which stays in its part.
 */
export function parts(text: string): string[] {
  const tops: { from: number; start: number }[] = []
  let inner = 0
  for (const match of text.matchAll(MARK)) {
    const number = Number(match[1])
    if (inner > 0 && number === inner + 1) inner++
    else if (number === tops.length + 1) {
      tops.push({ start: match.index, from: match.index + match[0].length })
      inner = 0
    } else if (number === 1) inner = 1
  }
  if (tops.length === 0) return [tidy(text)]
  return tops.map(({ from }, i) => tidy(text.slice(from, tops[i + 1]?.start)))
}

/** A part without what separates it from the next, dollars that were parted left out. */
function tidy(part: string): string {
  const start = part.replace(/^(?:\s|\\[ ,;:!]|\\q?quad\b)+/, '')
  const end = start.slice(-40).replace(/(?:[\s;,]|\\[ ,;:!]|\\q?quad\b)+$/, '') // near the end only, so that it is quick
  const text = trimEdges(start.slice(0, -40) + end, ' \n\t;；,，.。、')
  return (text.split('$').length & 1) === 0 ? text.replaceAll('$', '').trim() : text
}

/**
 * What is said to each question, as a response of its own; null where nothing is told apart.
 * @param asked which of the questions count: to the others no box is expected
 */
function answersIn(text: string, asked: boolean[]): string[] | null {
  const n = asked.length
  const boxed = boxes(text)
  const last = boxed.at(-1)
  const marked = numbered(text, n, boxed)
  const each = boxed.map(({ content }) => box(content))
  const inside = last ? parts(last.content).map(box) : []
  // the last box sums up, unless it is all that the last question has
  if (n > 1 && inside.length === n && !(marked && boxes(marked[n - 1]).length === 1)) return inside
  if (marked && (!last || marked.every((part, i) => !asked[i] || part.includes('boxed')))) return marked
  if (each.length >= n) return each.slice(-n)
  if (each.length === asked.filter(Boolean).length) return asked.map(has => (has ? (each.shift() as string) : ''))
  if (inside.length > 1) return fit(inside, n)
  if (boxed.length === 1 && boxed[0].content.length <= LIMITS.answer) {
    for (const separator of [/\s*[;；]\s*|\\\\|\\q?quad\b/, /,(?![^([]*[)\]])(?!\d{3}(?!\d))/]) {
      const found = boxed[0].content.split(separator).map(tidy)
      if (found.length === n && !found.includes('')) return found.map(box)
    }
  }
  return marked ?? (last ? fit(each, n) : null)
}

const box = (content: string) => `\\boxed{${content}}`
const fit = (answers: string[], n: number) => Array.from({ length: n }, (_, i) => answers[i] ?? '')

/** The last run of lines that begin (1), (2), … (n), each with what follows up to the next; null where it is not whole. */
function numbered(text: string, n: number, boxed: Box[]): string[] | null {
  const marks = [...text.matchAll(LINE_MARK)]
    .map(match => ({
      number: Number(match[1] ?? match[2]),
      start: match.index,
      from: match.index + match[0].length,
    }))
    .filter(({ start }) => !boxed.some(held => held.start < start && start < held.end))
  const run: typeof marks = []
  for (let i = marks.length - 1; i >= 0 && run.length < n; i--) {
    if (marks[i].number === n - run.length) run.unshift(marks[i])
  }
  if (run.length < n || n === 0) return null
  return run.map(({ from }, i) => text.slice(from, run[i + 1]?.start).trim())
}

/** Whether a rule can judge it: golds like `See analysis` cannot be met. */
function checkable(gold: string): boolean {
  return bare(gold) !== ''
}

/** A gold without its pointer to the solution. */
function bare(gold: string): string {
  return tidy(gold.replace(/[,;，；]?\s*\(?see (?:the )?(?:analysis|explanation|solution)[^$]*$/i, ''))
}

/** One gold in the ways that it may be meant: all of it, its mathematics alone, without the names of points and angles. */
function spellings(gold: string): string[] {
  const whole = bare(gold)
  const formulas = [...whole.matchAll(/\$([^$]+)\$/g)].map(match => match[1].trim())
  const said = formulas.filter(
    formula => !/^\\?(?:triangle|angle|odot)?\s*[A-Za-z](?:\s?[A-Za-z])*(?:_\{?\d\}?)?$/.test(formula),
  )
  const joined = said.length > 0 && /[A-Za-z]{2,}/.test(whole.replace(/\$[^$]*\$/g, '')) ? [said.join(', ')] : []
  const all = [whole, ...joined]
  return [...new Set([...all, ...all.map(unnamed)])].filter(text => text !== '')
}

const NAME =
  /(?:\\(?:angle|triangle|mathrm|text)\s*)?\{?\s*[A-Za-z](?:\s?[A-Za-z]){0,3}(?:_\{?\d\}?|\^?\{?\\prime\}?|')?\s*\}?/
    .source
const LABEL = new RegExp(`^\\s*\\$?\\s*${NAME}\\s*=\\s*(?=[^=]*$)`)
const POINT = /(?<![A-Za-z\\])[A-Z](?:_\{?\d\}?|\^?\{?\\prime\}?|')?\s*(?=(?:\\left)?\()/g

/** `\angle FDG = 30^\circ` is `30^\circ`, and `B(3,5)` is `(3,5)`. */
function unnamed(text: string): string {
  const plain = text
    .replace(/\s+/g, ' ')
    .replace(/\\mathrm\s*\{\s*~?([A-Za-z]+)\s*\}(?=\s*(?:\\left\s*)?\()/g, '$1')
    .replace(POINT, '')
  return LABEL.test(plain) ? trimEdges(plain.replace(LABEL, ''), ' $') : plain
}

/** Names are taken from both sides, and inner lists compared part by part. */
function loose(gold: string, answer: string): boolean {
  const [golds, said] = [parts(bare(gold)), parts(answer)]
  const same = (one: string, other: string) =>
    spellings(one).some(spelling => [other, unnamed(other)].some(text => strictEqual(spelling, text) === 'right'))
  if (golds.length > 1) return golds.length === said.length && golds.every((one, i) => same(one, said[i]))
  const free = unnamed(answer)
  return free !== answer && same(gold, free)
}
