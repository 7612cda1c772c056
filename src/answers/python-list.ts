/**
 * A Python list of texts as data sets carry it in one string: `['$6', "b's", '\\frac{1}{2}']`. Read, never evaluated.
 * Left out: tuples, nesting, prefixed and adjacent texts, names of characters (`\N{…}`); a list with those is malformed.
 */

const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  f: '\f',
  b: '\b',
  a: '\x07',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
}
const CODE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3}))/y
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y
const SPACE = /\s*/y

/** The items in order, numbers as they are written; null where `text` is no such list. Linear in its length. */
export function pythonList(text: string): string[] | null {
  const items: string[] = []
  let at = 0
  const matched = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match) at = pattern.lastIndex
    return match
  }
  const take = (char: string): boolean => {
    matched(SPACE)
    if (text[at] !== char) return false
    at++
    return true
  }
  /** What follows the opening quote. An escape that Python does not know stays as it is. */
  const quoted = (quote: string): string | null => {
    let out = ''
    while (at < text.length && text[at] !== quote) {
      if (text[at] !== '\\') out += text[at++]
      else {
        const code = matched(CODE)
        if (code) {
          const point = Number.parseInt(code[1] ?? code[2] ?? code[3] ?? code[4], code[4] ? 8 : 16)
          if (point > 0x10ffff) return null
          out += String.fromCodePoint(point)
        } else {
          const next = text[at + 1] ?? ''
          out += Object.hasOwn(ESCAPES, next) ? ESCAPES[next] : `\\${next}`
          at += 2
        }
      }
    }
    return text[at++] === quote ? out : null
  }
  if (!take('[')) return null
  while (!take(']')) {
    if (items.length > 0 && !take(',')) return null
    if (items.length > 0 && take(']')) break
    const quote = take("'") ? "'" : take('"') ? '"' : ''
    const item = quote ? quoted(quote) : matched(NUMBER)?.[0]
    if (item === null || item === undefined) return null
    items.push(item)
  }
  return text.slice(at).trim() === '' ? items : null
}
