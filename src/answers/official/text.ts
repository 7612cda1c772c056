/** OlympiadBench's text preparation before anything is compared, and Python's reading of a number. */
import { closing } from '../boxes.ts'
import { LIMITS, TooHard } from '../limits.ts'
import { trimEdges } from '../strings.ts'

const REPLACED: [string, string][] = [
  ['\\left', ''],
  ['\\right', ''],
  ['∶', ':'],
  ['，', ','],
  ['$', ''],
  ['\\approx', '='],
  ['\\simeq', '='],
  ['\\sim', '='],
  ['^\\prime', "'"],
  ['^{\\prime}', "'"],
  ['^\\circ', ''],
  ['%', ''],
]
const EDGES = '\n$,.:;^_=+`!@#$%^&*~，。'

/** All boxes joined by commas, else the formulas of the last line, else the text; null where braces do not balance. */
export function content(text: string): string | null {
  let out = ''
  let count = 0
  // an escaped brace counts for the official judge
  const escaped = text.includes('\\{') || text.includes('\\}')
  for (let at = text.indexOf('\\boxed{'); at >= 0; at = text.indexOf('\\boxed{', at + 7)) {
    const end = escaped ? closingPlain(text, at + 7) : closing(text, at + 7)
    if (end < 0) return null
    out += `${text.slice(at + 7, end - 1)},`
    if (++count > LIMITS.items * 4 || out.length > LIMITS.answer * 4) throw new TooHard('too many boxes')
  }
  if (out !== '') return out
  const last = text.trim().split('\n').at(-1) ?? ''
  if (last.length > LIMITS.answer * 4) return text
  const spans = [...last.matchAll(/\$(.*?)\$/g)].map(match => `${match[1]},`)
  return spans.length > 0 ? spans.join('') : text
}

/** Like `closing`, but an escaped brace counts. */
function closingPlain(text: string, from: number): number {
  let depth = 1
  for (let i = from; i < text.length; i++) {
    if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i + 1
  }
  return -1
}

/** The official replacements, in their order, and edges without punctuation. */
export function clean(text: string): string {
  const at = text.indexOf('\\in ')
  let s = text
  if (at >= 0) {
    const rest = text.slice(at + 4)
    const next = rest.indexOf('\\in ')
    s = next >= 0 ? rest.slice(0, next) : rest
  }
  for (const [from, to] of REPLACED) s = s.replaceAll(from, to)
  return trimEdges(s, EDGES).replace(/\\(?:mathrm|mathbf)\{~?([^}]*)\}/g, '$1')
}

/** Items between commas outside brackets, `\\pm` as two. */
export function split(text: string): string[] {
  const out: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '(' || char === '[') depth++
    else if (char === ')' || char === ']') depth--
    else if (char === ',' && depth === 0) {
      out.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  if (start < text.length) out.push(text.slice(start).trim())
  if (out.length > LIMITS.items) throw new TooHard('too many items')
  return out.flatMap(x => (x.includes('\\pm') ? [x.replaceAll('\\pm', '+'), x.replaceAll('\\pm', '-')] : [x]))
}

/** Python's float(), or NaN. */
export function float(text: string): number {
  if (text.length > LIMITS.digits) return Number.NaN
  const s = text.trim().replace(/(?<=\d)_(?=\d)/g, '')
  if (/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(s)) return Number(s)
  const sign = s.startsWith('-') ? -1 : 1
  return /^[+-]?inf(?:inity)?$/i.test(s) ? sign * Number.POSITIVE_INFINITY : Number.NaN
}
