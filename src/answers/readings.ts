/** Every way that one answer may be read: thousands or lists, decimal points or commas. */
import type { Node } from './ast.ts'
import { lex } from './lexer.ts'
import { LIMITS, TooHard, Unparseable } from './limits.ts'
import { Parser } from './parse.ts'

/**
 * Parses one answer.
 * @param text a normalized answer
 * @param thousands whether `1,000` is one number
 * @throws Unparseable, TooHard
 */
export function parse(text: string, thousands = true): Node {
  if (text.length > LIMITS.answer) throw new TooHard('answer too long')
  const parser = new Parser(lex(text, thousands))
  if (parser.token.t === 'end') throw new Unparseable('empty')
  const node = parser.list()
  if (parser.at < parser.tokens.length - 1) throw new Unparseable(`unexpected ${parser.token.s}`)
  return node
}

/** Every way that a normalized answer can be read, the likeliest first. */
export function readings(text: string): Node[] | 'unparseable' | 'too hard' {
  const out: Node[] = []
  let failure: 'unparseable' | 'too hard' = 'unparseable'
  const attempt = (s: string, thousands: boolean) => {
    try {
      out.push(parse(s, thousands))
    } catch (error) {
      if (error instanceof TooHard || error instanceof RangeError) failure = 'too hard'
      else if (!(error instanceof Unparseable)) throw error
    }
  }
  attempt(text, true)
  if (/\d,\d{3}(?!\d)/.test(text)) attempt(text, false)
  // one digit after a comma is more often the second of two answers
  if (/^-?\d+,\d{2,}$/.test(text)) attempt(text.replace(',', '.'), false)
  return out.length > 0 ? out : failure
}
