/**
 * OlympiadBench's own judge: its preprocessing, its splitting, its order of tests, its quirks (a factor of 100 passes, units count as letters),
 * with sampling at complex points in the place of a computer algebra system's `simplify`.
 */
import { type Node, some } from '../ast.ts'
import { abs, type C, finite, sub } from '../complex.ts'
import { type Budget, evaluate, hash, type Point } from '../evaluate.ts'
import { exact } from '../exact.ts'
import { LIMITS, TooHard } from '../limits.ts'
import { parseOfficial, print } from './grammar.ts'
import { clean, content, float, split } from './text.ts'

const PI = new Set(['pi'])
const NONE = new Set<string>()

/**
 * The official verdict on a pair.
 * @param first the model's answer (the judge is called with it in front), boxes and all
 * @param precisions absolute, one for all or one an item
 * @throws TooHard
 */
export function olympiadEqual(first: string, second: string, precisions: number[] = [1e-8]): boolean {
  const [x, y] = [content(first), content(second)]
  if (x === null || y === null) return false
  // a whole solution without a box is no answer
  if (x.length > LIMITS.answer * 2 || y.length > LIMITS.answer * 2) return x === y
  let a = clean(x)
  let b = clean(y)
  if (a === b) return true
  a = a.replace(/[\u4e00-\u9fff]+/g, '')
  b = b.replace(/[\u4e00-\u9fff]+/g, '')
  const left = split(a)
  const right = split(b)
  if (left.length !== right.length) return false
  const limits = precisions.length <= 1 ? left.map(() => precisions[0] ?? 1e-8) : [...precisions]
  const budget: Budget = { visits: LIMITS.visits }
  for (let i = 0; left.length > 0; ) {
    i %= left.length
    const precision = limits[i]
    if (precision === undefined) return false
    const found = right.findIndex(other => itemEqual(left[i], other, precision, budget))
    if (found < 0) return false
    left.splice(i, 1)
    right.splice(found, 1)
    limits.splice(limits.indexOf(precision), 1)
    i++
  }
  return true
}

const isInterval = (s: string) => /^[([]/.test(s) && /[)\]]$/.test(s)

function itemEqual(a: string, b: string, precision: number, budget: Budget): boolean {
  if (a === b && a !== '') return true
  if (isInterval(a) && isInterval(b)) {
    const verdict = attempt(() => intervalEqual(a, b, precision, budget))
    if (verdict === true) return true
    if (verdict === null) return false
  }
  if (numberEqual(a, b, precision)) return true
  if (!(a.includes('=') && b.includes('=')) && attempt(() => expressionEqual(a, b, precision, budget)) === true)
    return true
  return attempt(() => equationEqual(a, b, budget)) === true
}

/** What cannot be read is not equal; what is too hard ends the verdict. */
function attempt(body: () => boolean): boolean | null {
  try {
    return body()
  } catch (error) {
    if (error instanceof TooHard) throw error
    return null
  }
}

function numberEqual(a: string, b: string, precision: number): boolean {
  const x = float(a)
  const y = float(b)
  return [x / 100, x, x * 100].some(z => Math.abs(z - y) <= precision * 1.01)
}

function afterEquals(text: string): string {
  return (text.includes('=') ? text.split('=')[1] : text).trim()
}

function expressionEqual(a: string, b: string, precision: number, budget: Budget): boolean {
  const [s, t] = [afterEquals(a), afterEquals(b)]
  const long = s.length > 300 || t.length > 300
  const x = parseOfficial(s)
  const y = parseOfficial(t)
  if (print(x) === print(y)) return true
  if (x.k === 'rel' || y.k === 'rel') return false
  const [freeX, freeY] = [hasSymbols(x), hasSymbols(y)]
  if (freeX !== freeY || long) return false
  if (freeX) return near(x, y, budget)
  if (tooHigh(x) || tooHigh(y)) return false
  const gap = abs(sub(value(x, budget), value(y, budget)))
  return gap <= precision * 1.01
}

function hasSymbols(node: Node): boolean {
  return some(node, x => x.k === 'sym' && x.name !== 'pi')
}

/** Only a power on top is looked at, as the official judge does. */
function tooHigh(node: Node): boolean {
  if (node.k !== 'pow') return false
  const exponent = exact(node.y)
  return exponent !== null && Math.abs(Number(exponent[0]) / Number(exponent[1])) > 1000
}

function value(node: Node, budget: Budget): C {
  const rational = exact(node)
  if (rational) {
    const direct = Number(rational[0]) / Number(rational[1])
    if (Number.isFinite(direct)) return [direct, 0]
  }
  return evaluate(node, { budget, constants: PI, principal: true, value: () => [Number.NaN, 0] })
}

/** A complex point; real where factorials and steps are in play. */
function point(index: number, real: boolean, constants: ReadonlySet<string>, budget: Budget): Point {
  return {
    budget,
    constants,
    principal: true,
    value: name => {
      const u = hash(name, index) / 2 ** 32
      const v = hash(name, index + 500) / 2 ** 32
      return [0.4 + 1.8 * u, real ? 0 : 1.6 * v - 0.8]
    },
  }
}

const stepped = (node: Node) => some(node, x => x.k === 'fn' && /^(?:factorial|binom|floor|ceil)$/.test(x.name))

/** Whether the difference is one constant below 1e-3, as `|simplify(a − b)| < 1e-3` asks. */
function near(x: Node, y: Node, budget: Budget): boolean {
  const real = stepped(x) || stepped(y)
  let first: C | null = null
  let seen = 0
  for (let i = 0; i < 6; i++) {
    const at = point(i, real, PI, budget)
    const [v, w] = [evaluate(x, at), evaluate(y, at)]
    if (!finite(v) || !finite(w)) continue
    const gap = sub(v, w)
    const noise = 1e-9 * Math.max(abs(v), abs(w))
    if (abs(gap) >= 1e-3 + noise) return false
    if (first && abs(sub(gap, first)) > noise + 1e-12) return false
    first ??= gap
    seen++
  }
  return seen >= 2
}

function intervalEqual(a: string, b: string, precision: number, budget: Budget): boolean {
  const left = a.split('\\cup')
  const right = b.split('\\cup')
  if (left.length !== right.length) return false
  return left.every((one, i) => {
    const other = right[i]
    if (one[0] !== other[0] || one.at(-1) !== other.at(-1)) return false
    const [xs, ys] = [one, other].map(s => s.replace(/^[[\]()]+|[[\]()]+$/g, '').split(','))
    return xs.slice(0, ys.length).every((x, j) => expressionEqual(x, ys[j], precision, budget))
  })
}

function equationEqual(a: string, b: string, budget: Budget): boolean {
  const [x, y] = [difference(a), difference(b)]
  if (!x || !y) return false
  const real = stepped(x) || stepped(y)
  let first: number | null = null
  let seen = 0
  for (let i = 0; i < 6; i++) {
    const at = point(i, real, NONE, budget)
    const [v, w] = [evaluate(x, at), evaluate(y, at)]
    if (!finite(v) || !finite(w) || abs(w) === 0) continue
    const size = w[0] ** 2 + w[1] ** 2
    const ratio: C = [(v[0] * w[0] + v[1] * w[1]) / size, (v[1] * w[0] - v[0] * w[1]) / size]
    if (Math.abs(ratio[1]) > 1e-8 * Math.max(1, Math.abs(ratio[0]))) return false
    if (first !== null && Math.abs(ratio[0] - first) > 1e-8 * Math.max(1, Math.abs(first))) return false
    first ??= ratio[0]
    seen++
  }
  if (first === null || seen < 2 || Math.abs(first) < 1e-9) return false
  return isInteger(first) || isInteger(1 / first)
}

const isInteger = (x: number) => Math.abs(x - Math.round(x)) < 1e-7 && Math.round(x) !== 0

function difference(text: string): Node | null {
  const sides = text.split('=')
  if (sides.length !== 2) return null
  return { k: 'add', a: [parseOfficial(sides[0]), { k: 'neg', x: parseOfficial(sides[1]) }] }
}
