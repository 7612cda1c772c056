/**
 * Finding the answer in a response: after the thought, in the last box, after an answer phrase, or at the end. It never guesses a letter.
 * What it leaves out: what the answer means (equal.ts), and the official graders' own extraction (official/).
 */
import { boxes } from './boxes.ts'
import { LIMITS } from './limits.ts'

/** What was found: candidates best first, and where they come from. */
export type Extraction = {
  /** The answer that a person would say was given; null where there is none. */
  answer: string | null
  /** Further readings of the same statement: boxes that belong together, the unit after a box. */
  more: string[]
  from: 'box' | 'phrase' | 'whole' | 'math' | 'none'
  think: 'none' | 'closed' | 'unclosed'
}

const PHRASE =
  /(?:final answer|correct answer|correct option|answer|solution|result)\s*(?:\*\*\s*)?(?:(?:is|are|should be|would be|will be|must be|=|:|：)\s*)+(?:\*\*)?|(?:所以)?(?:最终|正确|最后)?(?:的)?(?:答案|结果|选项)\s*(?:应该|应)?(?:是|为|选|：|:)+\s*|故选\s*[:：]?\s*|(?:応|答え)\s*[はが]\s*/gi
const NUMBER = /(?<![\w.\\^_{[])[-−+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:[.,]\d+)?(?:\s*\/\s*\d+)?(?:\s*%)?/g
const ENDS = ['<|im_end|>', '<|im_start|>', '<|endoftext|>', '<|eot_id|>', '</s>']

/** The part of a response after its thought. */
export function afterThought(response: string): { text: string; think: Extraction['think'] } {
  const close = Math.max(response.lastIndexOf('</think>'), response.lastIndexOf('</thinking>'))
  const open = Math.max(response.lastIndexOf('<think>'), response.lastIndexOf('<thinking>'))
  if (close < 0 && open < 0) return { text: response, think: 'none' }
  if (open > close) return { text: response.slice(0, open), think: 'unclosed' }
  return { text: response.slice(response.indexOf('>', close) + 1), think: 'closed' }
}

/** What stands in the last `<answer>…</answer>`, as models are often taught to end; all of the text where there is none. */
export function tagged(text: string): string {
  const end = text.lastIndexOf('</answer>')
  const start = end < 0 ? -1 : text.lastIndexOf('<answer>', end)
  const inside = start < 0 ? '' : text.slice(start + 8, end).trim()
  return inside === '' ? text : inside
}

/** Finds the answer of a response. Linear in its length; reads at most its last LIMITS.response characters. */
export function extract(response: string): Extraction {
  const { text: whole, think } = afterThought(response)
  let text = whole.slice(-LIMITS.response)
  for (const end of ENDS) {
    const at = text.indexOf(end)
    if (at > 0) text = text.slice(0, at)
  }
  text = tagged(text).trim()
  const none: Extraction = { answer: null, more: [], from: 'none', think }
  if (text === '') return none
  const found = boxes(text)
  if (found.length > 0) {
    const last = found[found.length - 1]
    const later = phrase(text.slice(last.end), true)
    if (later) return { ...stated(later), from: 'phrase', think }
    const tail = /^\s*\$?\s*((?:%|\\%|percent|pct|°|\^\\circ)(?![a-zA-Z]))/.exec(text.slice(last.end, last.end + 40))
    const more = tail && !last.content.includes('%') ? [`${last.content} ${tail[1]}`] : []
    const joined = together(text, found)
    if (joined) more.push(joined)
    return { answer: last.content.trim(), more, from: 'box', think }
  }
  // a box that never closes holds no answer, and what stands before it was not meant as one
  if (/boxed ?\{/.test(text.slice(-4000))) return none
  const said = phrase(text, false)
  if (said) return { ...stated(said), from: 'phrase', think }
  if (isBare(text)) return { ...stated(text), answer: text, from: 'whole', think }
  const { answer, more } = stated(text.slice(-4000))
  return answer === null ? none : { answer, more, from: 'math', think }
}

/** The answer in a statement: all of it where it is bare, else its last formula or number. */
function stated(text: string): { answer: string | null; more: string[] } {
  const number = lastNumber(text)
  if (isBare(text)) {
    // a word or two around a single number: the number may be meant alone
    const single =
      number && number.count === 1 && !text.includes('\\') && /[^\W\d_]{3,}/u.test(text.replace(/\\[a-zA-Z]+/g, ''))
    return { answer: text, more: single ? [number.s] : [] }
  }
  const math = lastMath(text)
  const bold = /\*\*([^*\n]{1,80})\*\*[^*]*$/.exec(text)
  if (bold && /\d/.test(bold[1]) && !math) return { answer: lastNumber(bold[1])?.s ?? bold[1], more: [bold[1]] }
  if (math && (!number || math.at >= number.at)) return { answer: math.s, more: number ? [number.s] : [] }
  if (number) return { answer: number.s, more: text.length < 200 ? [text] : [] }
  return text.length < 200 ? { answer: text, more: [] } : { answer: null, more: [] }
}

/** Boxes in the last sentence that has one, where they are several: `\boxed{2} and \boxed{3}`. */
function together(text: string, found: ReturnType<typeof boxes>): string | null {
  const parts: string[] = []
  for (let i = found.length - 1; i >= 0; i--) {
    if (i < found.length - 1) {
      const between = text.slice(found[i].end, found[i + 1].start)
      if (between.length > 120 || /\n\s*\n|\.\s|wrong|wait|mistake|actually|instead|not |but /i.test(between)) break
    }
    parts.unshift(found[i].content.trim())
  }
  return parts.length > 1 ? parts.join(', ') : null
}

/** What follows the last answer phrase, up to the end of its sentence or formula. @param final only `final answer` counts */
function phrase(text: string, final: boolean): string | null {
  let last = -1
  PHRASE.lastIndex = 0
  const from = Math.max(0, text.length - 8000)
  PHRASE.lastIndex = from
  for (let match = PHRASE.exec(text); match; match = PHRASE.exec(text)) {
    if (final && !/final|最终/i.test(match[0])) continue
    if (text.slice(PHRASE.lastIndex, PHRASE.lastIndex + 400).trim() !== '') last = PHRASE.lastIndex
    if (PHRASE.lastIndex === match.index) PHRASE.lastIndex++
  }
  if (last < 0) return null
  const rest = text.slice(last, last + 2000).trim()
  return sentence(rest)
}

/** The statement that a text begins with: a formula in dollars, or words up to the end of the sentence. */
function sentence(rest: string): string | null {
  const math = /^(?:\*\*)?\s*(?:\$\$([^$]+)\$\$|\$([^$]+)\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\))/.exec(rest)
  if (math) return (math[1] ?? math[2] ?? math[3] ?? math[4]).trim()
  const line = rest.split(/\n|。(?!\d)|；/, 1)[0]
  const end = /[.!?](?=\s+[A-Z"'(]|\s*$)/.exec(line)
  const said = (end ? line.slice(0, end.index) : line).replace(/\*\*/g, '').trim()
  return said === '' ? null : said
}

const KNOWN = /^(?:sin|cos|tan|cot|sec|csc|arc\w+|ln|log|exp|sqrt|pi|and|or|text|frac|max|min)$/i

/** A statement that is nothing but an answer: a formula, or a few words without a sentence in them. */
function isBare(text: string): boolean {
  if (text.length > 600 || /\n\s*\n/.test(text)) return false
  const outside = text.replace(/\$[^$]*\$|\\\([\s\S]*?\\\)|\\\[[\s\S]*?\\\]/g, ' ')
  const prose = (
    outside.replace(/\\[a-zA-Z]+|\{[^{}]*\}/g, ' ').match(/[^\W\d_]{2,}|[\u00c0-\uffff]{2,}/gu) ?? []
  ).filter(word => !KNOWN.test(word))
  if (/\d/.test(text) ? prose.length > 3 || (prose.length > 0 && /[:：]\s*\S/.test(outside)) : prose.length > 10)
    return false
  return (
    !/[A-Za-z]{2,}\. [A-Z]|\b(?:is|are|was|we|the|so|find|that|because)\b/i.test(outside) && !/[:：]\s*[$\\]/.test(text)
  )
}

function lastMath(text: string): { s: string; at: number } | null {
  let out: { s: string; at: number } | null = null
  const spans = /\$\$([^$]{1,1500})\$\$|\$([^$]{1,1500})\$|\\\[([\s\S]{1,1500}?)\\\]|\\\(([\s\S]{1,1500}?)\\\)/g
  for (let match = spans.exec(text); match; match = spans.exec(text)) {
    const s = (match[1] ?? match[2] ?? match[3] ?? match[4]).trim()
    if (s !== '') out = { s, at: match.index + match[0].length }
  }
  return out
}

function lastNumber(text: string): { s: string; at: number; count: number } | null {
  let out: { s: string; at: number; count: number } | null = null
  let count = 0
  NUMBER.lastIndex = 0
  for (let match = NUMBER.exec(text); match; match = NUMBER.exec(text))
    out = { s: match[0], at: match.index + match[0].length, count: ++count }
  if (!out) return null
  const either = /\S{1,20} or $/.exec(text.slice(Math.max(0, out.at - out.s.length - 24), out.at - out.s.length))
  return either && /^[-+]?[\d.,/]+ /.test(either[0]) ? { ...out, s: either[0] + out.s } : out
}
