/** The number that an answer comes to, for judges that round. What numbers mean in mathematics is the strict judge's. */
import { some, symbols } from '../ast.ts'
import { evaluate } from '../evaluate.ts'
import { LIMITS, TooHard } from '../limits.ts'
import { normalize } from '../normalize.ts'
import { readings } from '../readings.ts'
import { pointAt } from '../sample.ts'
import { unitless } from '../scalar.ts'

/**
 * The number that an answer is, units aside, or the only one in it; whether it is written out or to be worked out.
 * @throws TooHard
 */
export function numberOf(answer: string): { value: number; written: boolean } | null {
  const text = normalize(answer)
  const budget = { visits: LIMITS.visits }
  const read = readings(text)
  if (read === 'too hard') throw new TooHard('answer')
  for (const node of read === 'unparseable' ? [] : read) {
    const side = node.k === 'rel' && node.ops.every(op => op === '=' || op === '≈') ? node.a[node.a.length - 1] : node
    if (symbols(side).size > 0 || !some(side, part => part.k === 'num')) continue
    const [value, y] = evaluate(unitless(side), pointAt(0, budget))
    const written = !some(side, part => part.k === 'div' || part.k === 'pow' || part.k === 'fn' || part.k === 'add')
    if (Number.isFinite(value) && Math.abs(y) < 1e-9) return { value, written }
  }
  const unpowered = text.slice(0, 300).replace(/(?<=[a-zA-Z}])\^\{?-?\d\}?/g, '') // the 2 of 3 m^2
  const numbers = unpowered.match(/[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|[-+]?\.\d+/g) ?? []
  return numbers.length === 1 ? { value: Number(numbers[0].replaceAll(',', '')), written: true } : null
}

/** As Python rounds: the exact value of the double, a tie to the even digit. */
export function rounded(value: number, places: number): number {
  const doubled = value * 2 * 10 ** places
  const tie = Number.isInteger(value * 2 ** (places + 1)) && Number.isInteger(doubled) && doubled % 2 !== 0
  if (!tie || Math.abs(value) >= 1e15) return Number(value.toFixed(places))
  const low = Math.floor(doubled / 2)
  return Number(((low % 2 === 0 ? low : low + 1) / 10 ** places).toFixed(places))
}
