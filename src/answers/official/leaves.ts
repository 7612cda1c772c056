/** Leaves of the official judges' LaTeX: names with their subscripts, and numbers. */
import { int, type Node } from '../ast.ts'
import { LIMITS, Unparseable } from '../limits.ts'
import { numeral } from '../numerals.ts'
import { type Grammar, print, Refused } from './grammar.ts'

/** A letter or command with its subscript and primes. */
export function readName(g: Grammar): string {
  let name = g.token.s
  g.at++
  if (/^'/.test(g.token.s) && g.token.t === 'op') name += g.list[g.at++].s
  if (g.take('_')) name += `_{${print(g.script())}}`
  if (/^'/.test(g.token.s) && g.token.t === 'op') name += g.list[g.at++].s
  return name
}

/** Digits, spaces between them or not, thousands and a decimal part. */
export function readNumber(g: Grammar): Node {
  let text = ''
  const digit = (i: number) => g.list[g.at + i]?.t === 'digit'
  while (digit(0)) text += g.list[g.at++].s
  while (g.is(',') && digit(1) && digit(2) && digit(3)) {
    text += g.list[g.at + 1].s + g.list[g.at + 2].s + g.list[g.at + 3].s
    g.at += 4
  }
  if (g.is('.') && !digit(1)) return beforePoint(g, text)
  if (g.is('.') && digit(1)) {
    text += '.'
    g.at++
    while (digit(0)) text += g.list[g.at++].s
  }
  if (/^0+[1-9]\d*$/.test(text)) throw new Refused('a number that begins with 0')
  return numeral(text)
}

/** Digits before a point that nothing follows fall apart in the original: a product of all but the last. */
function beforePoint(g: Grammar, text: string): Node {
  if (text.length === 1 || text.length > LIMITS.items) throw new Unparseable('a point without digits')
  g.at--
  return { k: 'mul', a: [...text.slice(0, -1)].map(x => int(Number(x))) }
}
