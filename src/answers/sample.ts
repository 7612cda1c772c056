/**
 * Symbolic equality by numbers: two expressions are one where they agree at points drawn from the names of their symbols.
 * Positive real points first (complex values and all), then points of mixed sign where both sides are real, so that √(x²) is not x
 * while log(xy) is log x + log y. What it leaves out: proof; eight points of nine digits have not been seen to lie.
 */
import { CONSTANTS, type Node, some } from './ast.ts'
import { abs, type C, finite, sub } from './complex.ts'
import { type Budget, evaluate, hash, type Point } from './evaluate.ts'

const RELATIVE = 1e-9
const UNIT_VALUES: Record<string, number> = { '%': 0.01, deg: Math.PI / 180 }

/** The point number `index`: even ones positive, odd ones of mixed sign. */
export function pointAt(index: number, budget: Budget): Point {
  return {
    budget,
    constants: CONSTANTS,
    value: (name, unit) => {
      if (unit && Object.hasOwn(UNIT_VALUES, name)) return [UNIT_VALUES[name], 0]
      const u = hash(unit ? `unit ${name}` : name, index) / 2 ** 32
      const size = 0.35 + 1.9 * u
      return [index % 2 === 1 && !unit && hash(name, index + 1000) % 2 === 0 ? -size : size, 0]
    },
  }
}

/** Whether two finite values are one up to rounding noise. */
export function same(a: C, b: C, relative = RELATIVE): boolean {
  const gap = abs(sub(a, b))
  const size = Math.max(abs(a), abs(b))
  return gap <= relative * size || (size < 1e-12 && (abs(a) === 0 || abs(b) === 0))
}

/** What may be infinite without being merely too large for a double. */
const endless = (node: Node) => some(node, x => x.k === 'inf' || (x.k === 'fn' && /^(?:tan|cot|sec|csc)$/.test(x.name)))

/** Like `same`, for values of trees: infinities are equal by sign, poles of tan and its like to both; an overflow equals nothing. */
export function sameValue(a: Node, b: Node, x: C, y: C, relative?: number): boolean {
  if (Number.isNaN(x[0]) || Number.isNaN(y[0])) return false
  if (finite(x) && finite(y) && (abs(x) < 1e14 || abs(y) < 1e14)) return same(x, y, relative)
  const big = (v: C) => !finite(v) || abs(v) > 1e14
  if (!big(x) || !big(y)) return false
  if (finite(x) && finite(y)) return same(x, y, relative) || (endless(a) && endless(b))
  if (!endless(a) || !endless(b)) return false
  return finite(x) || finite(y) || x[0] === y[0]
}

/** Whether two trees agree wherever both can be evaluated, at three points or more. */
export function agree(a: Node, b: Node, budget: Budget, relative?: number): boolean {
  let seen = 0
  for (let i = 0; i < 8; i++) {
    const at = pointAt(i, budget)
    const x = evaluate(a, at)
    const y = evaluate(b, at)
    if (i % 2 === 1 && (x[1] !== 0 || y[1] !== 0)) continue
    if (Number.isNaN(x[0]) || Number.isNaN(y[0])) continue
    if (!sameValue(a, b, x, y, relative)) return false
    seen++
  }
  return seen >= 3
}

/** The constant that `a/b` is at every point, or null where it is none. */
export function ratio(a: Node, b: Node, budget: Budget): number | null {
  let first: number | null = null
  let seen = 0
  for (let i = 0; i < 8; i++) {
    const at = pointAt(i, budget)
    const x = evaluate(a, at)
    const y = evaluate(b, at)
    if (!finite(x) || !finite(y)) continue
    if (abs(y) < 1e-12 || abs(x) < 1e-12) return null
    const r = [
      (x[0] * y[0] + x[1] * y[1]) / (y[0] ** 2 + y[1] ** 2),
      (x[1] * y[0] - x[0] * y[1]) / (y[0] ** 2 + y[1] ** 2),
    ] as const
    if (Math.abs(r[1]) > 1e-9 * Math.abs(r[0])) return null
    if (first === null) first = r[0]
    else if (!same([first, 0], [r[0], 0], 1e-8)) return null
    seen++
  }
  return seen >= 3 ? first : null
}

/** Whether the tree is zero at every point, beside the size of what is subtracted. */
export function vanishes(a: Node, scale: Node, budget: Budget): boolean {
  let seen = 0
  for (let i = 0; i < 6; i++) {
    const at = pointAt(i, budget)
    const x = evaluate(a, at)
    if (!finite(x)) continue
    if (abs(x) > 1e-10 * Math.max(1e-3, abs(evaluate(scale, at)))) return false
    seen++
  }
  return seen >= 2
}
