/**
 * Tokens of the LaTeX grammar that the official judges parse with (SymPy's): single letters, single digits, spaces and spacing commands dropped,
 * `dx` one token. What that grammar cannot lex is an `error` token, which fails only where the parser gets to it.
 */
import { LIMITS, TooHard } from '../limits.ts'

export type Token = { t: 'digit' | 'letter' | 'symbol' | 'differential' | 'op' | 'error' | 'end'; s: string }

const SKIPPED = new Set(
  'thinspace medspace thickspace quad qquad negthinspace negmedspace negthickspace left right vrule vcenter vbox vskip vspace hfil'.split(
    ' ',
  ),
)
const SKIPPED_SIGNS = ',:;!*-./"(='
const OPS = '+-*/(){}[]|_^:<>!,.='

/** @throws TooHard over the token bound */
export function tokens(text: string): Token[] {
  const out: Token[] = []
  let i = 0
  const push = (t: Token['t'], s: string) => {
    if (out.length >= LIMITS.tokens * 2) throw new TooHard('too many tokens')
    out.push({ t, s })
  }
  while (i < text.length) {
    const char = text[i]
    if (char === ' ' || char === '\t' || char === '\r' || char === '\n') i++
    else if (char >= '0' && char <= '9') push('digit', text[i++])
    else if (char === 'd') {
      const match = /^d[ \t\r\n]*([a-zA-Z]|\\[a-zA-Z]+)/.exec(text.slice(i, i + 60))
      if (match) push('differential', `d${match[1].replace('\\', '')}`)
      else push('letter', char)
      i += match ? match[0].length : 1
    } else if (/[a-zA-Z]/.test(char)) push('letter', text[i++])
    else if (char === '\\') {
      const name = /^[a-zA-Z]+/.exec(text.slice(i + 1, i + 40))?.[0]
      const next = text[i + 1] ?? ''
      if (name) {
        if (!SKIPPED.has(name)) push('symbol', name)
        i += name.length + 1
      } else if (next === '{' || next === '}') {
        push('op', `\\${next}`)
        i += 2
      } else if (next !== '' && SKIPPED_SIGNS.includes(next)) i += 2
      else {
        push('error', char)
        i++
      }
    } else if (char === "'") {
      let quotes = ''
      while (text[i] === "'") quotes += text[i++]
      push('op', quotes)
    } else {
      push(OPS.includes(char) ? 'op' : 'error', char)
      i++
    }
  }
  out.push({ t: 'end', s: '' })
  return out
}
