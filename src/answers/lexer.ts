/**
 * Tokens of an answer for the strict judge: LaTeX and plain text mixed, as models write them. Words are told from products of letters here.
 * What it leaves out: structure, which is the parser's.
 */

import { FUNCTIONS, GREEK, OPERATORS, TEXT, wordPieces } from './lexicon.ts'
import { LIMITS, TooHard } from './limits.ts'
import { isUnitLetter } from './units.ts'

export type Token = {
  t: 'num' | 'sym' | 'fn' | 'cmd' | 'op' | 'text' | 'end'
  s: string
  /** Whether a space came before. */
  space: boolean
}

const WORD = /[A-Za-z\u00c0-\u024f\u3400-\u9fff]+/y
const NUMBER = /(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,4}(?![\da-zA-Z]))?|\.\d+/y
const PLAIN_NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d{1,4}(?![\da-zA-Z]))?|\.\d+/y

/**
 * @param text a normalized answer
 * @param thousands whether `1,000` is one number
 * @throws TooHard over the token or digit bound
 */
export function lex(text: string, thousands: boolean): Token[] {
  const tokens: Token[] = []
  let at = 0
  let space = false
  const push = (t: Token['t'], s: string) => {
    if (tokens.length >= LIMITS.tokens) throw new TooHard('too many tokens')
    tokens.push({ t, s, space })
    space = false
  }
  while (at < text.length) {
    const char = text[at]
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
      space = true
      at++
      continue
    }
    const number = thousands ? NUMBER : PLAIN_NUMBER
    number.lastIndex = at
    const digits = number.exec(text)
    if (digits) {
      if (digits[0].length > LIMITS.digits) throw new TooHard('too many digits')
      push('num', digits[0].replaceAll(',', ''))
      at += digits[0].length
      if (text[at] === '.' && text[at + 1] !== '.') at++ // "5." is 5
      continue
    }
    WORD.lastIndex = at
    const word = WORD.exec(text)
    if (word) {
      at += word[0].length
      for (const [t, s] of wordPieces(word[0], tokens)) push(t, s)
      continue
    }
    if (char === '\\') {
      at = command(text, at + 1, tokens, push)
      continue
    }
    const two = text.slice(at, at + 2)
    if (two === '<=' || two === '>=' || two === '!=' || two === '**' || two === '->' || two === '==') {
      push('op', two === '**' ? '^' : two === '==' ? '=' : two)
      at += 2
      continue
    }
    push('op', char)
    at++
  }
  space = false
  tokens.push({ t: 'end', s: '', space })
  return tokens
}

function command(text: string, at: number, tokens: Token[], push: (t: Token['t'], s: string) => void): number {
  const [before, last] = [tokens[tokens.length - 2], tokens[tokens.length - 1]]
  const measured = last?.t === 'num' || last?.t === 'text' || (last?.s === '/' && before?.t === 'text')
  const match = /^[A-Za-zπ]+/.exec(text.slice(at, at + 40))
  if (!match) {
    const char = text[at] ?? ''
    if (char === '{' || char === '}') push('op', `\\${char}`)
    else if (char === '|') push('op', '|')
    else if (char === '\\') push('op', '\\\\')
    else if (char === '&' || char === '#' || char === '_') push('op', char)
    return at + 1
  }
  const name = match[0]
  const end = at + name.length
  if (TEXT.has(name)) {
    const group = /^\s*\{([^{}]*)\}/.exec(text.slice(end, end + 400))
    if (!group) return end
    const inner = group[1].trim()
    if (/^(?:and|or|,)$/i.test(inner)) push('op', ',')
    else if (/^[a-zA-Z]$/.test(inner)) push(measured && isUnitLetter(inner) ? 'text' : 'sym', inner)
    else if (FUNCTIONS.has(inner.toLowerCase())) push('fn', inner.toLowerCase())
    else if (/^-?[\d.,]+(?:\s*[A-Za-z]+)?$/.test(inner))
      for (const token of lex(inner, true).slice(0, -1)) push(token.t, token.s)
    else if (/^(?:%|percent|pct)$/.test(inner)) push('op', '%')
    else if (/^(?:degrees?|°)$/.test(inner)) push('cmd', 'degree')
    else if (inner !== '') push('text', inner)
    return end + group[0].length
  }
  if (Object.hasOwn(OPERATORS, name)) push('op', OPERATORS[name])
  else if (FUNCTIONS.has(name)) push('fn', name)
  else if (name === 'pi' || name === 'π') push('sym', 'pi')
  else if (GREEK.has(name)) push('sym', name)
  else if (name === 'ldots' || name === 'cdots' || name === 'dots' || name === 'dotsc' || name === 'dotsm')
    push('text', '...')
  else if (name === 'infty' || name === 'Infinity' || name === 'infinity') push('cmd', 'infty')
  else push('cmd', name)
  return end
}
