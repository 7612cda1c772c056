/** How neighbours join: signs, lists without brackets, whole numbers beside fractions. Small helpers of parse.ts. */
import type { Node } from './ast.ts'
import { power } from './commands.ts'
import type { Token } from './lexer.ts'
import { numeral } from './numerals.ts'
import type { Parser } from './parse.ts'

/** One item, or a list without brackets. */
export function bare(items: Node[]): Node {
  return items.length === 1 ? items[0] : { k: 'seq', open: '', close: '', a: items }
}

/** `±` stays a function of the tree until equal.ts makes two answers of it. */
export function signed(sign: string, x: Node): Node {
  if (sign === '+') return x
  return sign === '-' ? { k: 'neg', x } : { k: 'fn', name: sign, a: [x] }
}

/** `4 \frac{1}{2}` and `4 1/2` are sums, `10 000` is one number. */
export function mixedNumber(last: Node, factor: Node, before: Token, parser: Parser): Node | undefined {
  if (last.k !== 'num' || last.decimals > 0 || last.d !== 1n) return undefined
  if (
    factor.k === 'div' &&
    before.s === 'frac' &&
    factor.x.k === 'num' &&
    factor.y.k === 'num' &&
    factor.x.decimals + factor.y.decimals === 0
  )
    return { k: 'add', a: [last, factor] }
  if (factor.k !== 'num' || before.t !== 'num' || !before.space || factor.d !== 1n) return undefined
  if (parser.is('/') && parser.tokens[parser.at + 1]?.t === 'num') {
    parser.at++
    return { k: 'add', a: [last, { k: 'div', x: factor, y: parser.postfix() }] }
  }
  return before.s.length === 3 && last.n > 0n ? numeral(`${last.n}${before.s}`) : undefined
}

/** The power after a phrase of units is its last unit's: `\text{m s}^{-1}`. */
export function lastPower(parser: Parser, unit: Node): Node {
  if (unit.k !== 'mul') return power(parser, unit)
  return { k: 'mul', a: [...unit.a.slice(0, -1), power(parser, unit.a[unit.a.length - 1])] }
}
