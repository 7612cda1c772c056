/** Leaves of the tree: numerals kept exactly, numbers written in a base, and words that stand as units. */
import { int, type Node } from './ast.ts'
import { LIMITS, TooHard, Unparseable } from './limits.ts'
import { unitOf, unitWords } from './units.ts'

/** A decimal numeral as an exact fraction; `decimals` counts the digits after the point. */
export function numeral(text: string): Node {
  const e = text.search(/[eE]/)
  const mantissa = e < 0 ? text : text.slice(0, e)
  const exponent = e < 0 ? 0 : Number(text.slice(e + 1))
  const dot = mantissa.indexOf('.')
  const decimals = dot < 0 ? 0 : mantissa.length - dot - 1
  const digits = dot < 0 ? mantissa : mantissa.slice(0, dot) + mantissa.slice(dot + 1)
  if (digits.length > LIMITS.digits || Math.abs(exponent) > LIMITS.digits) throw new TooHard('too many digits')
  let n = BigInt(digits || '0')
  let d = 10n ** BigInt(decimals)
  if (exponent > 0) n *= 10n ** BigInt(exponent)
  else if (exponent < 0) d *= 10n ** BigInt(-exponent)
  return { k: 'num', v: Number(text), n, d, decimals: Math.max(0, decimals - exponent) }
}

/** `204_5`: an integer in base 5. */
export function baseNumber(digits: string, base: string): Node {
  const b = Number(base)
  if (!Number.isInteger(b) || b < 2 || b > 36 || digits.length > 120) throw new Unparseable('not a base')
  let value = 0n
  for (const digit of digits) {
    const d = Number.parseInt(digit, 36)
    if (!(d < b)) throw new Unparseable('not a digit of the base')
    value = value * BigInt(b) + BigInt(d)
  }
  return { k: 'num', v: Number(value), n: value, d: 1n, decimals: 0 }
}

/** Words as a product of units. @param alone no factor stands before it */
export function unitProduct(phrase: string, alone: boolean): Node {
  const units = unitWords(phrase)
  if (units.length === 0) return alone ? { k: 'sym', name: phrase, unit: true } : int(1)
  if (units.length > LIMITS.items) throw new TooHard('too many words')
  const a = units.map(({ name, power }): Node => {
    const [base, size] = unitOf(name)
    const unit: Node = { k: 'sym', name: base, unit: true, size }
    return power === 1 ? unit : { k: 'pow', x: unit, y: int(power) }
  })
  return a.length === 1 ? a[0] : { k: 'mul', a }
}
