/**
 * The value of a tree at a point: complex doubles, symbols drawn from a hash of their name, unknown functions opaque.
 * Bounded by a budget of node visits that a whole verdict shares.
 */
import type { Node } from './ast.ts'
import type { C } from './complex.ts'
import * as c from './complex.ts'
import { TooHard } from './limits.ts'
import { called } from './opaque.ts'

/** Node visits left. */
export type Budget = { visits: number }

export type Point = {
  /** The value of a symbol. */
  value: (name: string, unit: boolean) => C
  /** Names that mean constants: π, e and i in the strict judge, π alone in OlympiadBench's. */
  constants: ReadonlySet<string>
  budget: Budget
  /** Roots are principal ones, odd roots of negative numbers too. */
  principal?: boolean
}

/** A 32-bit hash of a string, for values of names. */
export function hash(text: string, seed = 0): number {
  let h = 0x811c9dc5 ^ Math.imul(seed + 1, 0x9e3779b1)
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 12
  h = Math.imul(h, 0x297a2d39)
  return (h ^ (h >>> 15)) >>> 0
}

/** @throws TooHard when the budget is spent. Values that do not exist are NaN or infinite. */
export function evaluate(node: Node, at: Point): C {
  if (--at.budget.visits < 0) throw new TooHard('too much to evaluate')
  switch (node.k) {
    case 'num':
      return [node.v, 0]
    case 'inf':
      return [Number.POSITIVE_INFINITY, 0]
    case 'sym':
      if (at.constants.has(node.name) && !node.unit) {
        if (node.name === 'pi') return [Math.PI, 0]
        if (node.name === 'e') return [Math.E, 0]
        if (node.name === 'i') return [0, 1]
      }
      return scaled(at.value(node.name, node.unit === true), node.size)
    case 'add': {
      let sum: C = [0, 0]
      for (const x of node.a) sum = c.add(sum, evaluate(x, at))
      return sum
    }
    case 'mul': {
      let product: C = [1, 0]
      for (const x of node.a) product = c.mul(product, evaluate(x, at))
      return product
    }
    case 'neg':
      return c.neg(evaluate(node.x, at))
    case 'div':
      return c.div(evaluate(node.x, at), evaluate(node.y, at))
    case 'pow':
      return power(node.x, node.y, at)
    case 'fn':
      return known(node.name, node.a, at)
    case 'call':
      return called(node.name, node.a, at)
    case 'rel':
    case 'seq':
    case 'matrix':
    case 'text':
      return [Number.NaN, 0]
  }
}

function scaled(value: C, size: number | undefined): C {
  return size === undefined || size === 1 ? value : [value[0] * size, value[1] * size]
}

/** Odd roots of negative numbers are real, as a teacher means `(-8)^{1/3}`. */
function power(x: Node, y: Node, at: Point): C {
  const base = evaluate(x, at)
  const exponent = evaluate(y, at)
  if (
    !at.principal &&
    base[1] === 0 &&
    base[0] < 0 &&
    y.k === 'div' &&
    y.y.k === 'num' &&
    y.y.decimals === 0 &&
    y.y.d === 1n &&
    y.y.n % 2n === 1n
  )
    return realRoot(base[0], exponent[0], evaluate(y.x, at)[0])
  return c.pow(base, exponent)
}

function realRoot(base: number, exponent: number, numerator: number): C {
  const size = Math.abs(base) ** exponent
  return [numerator % 2 === 0 ? size : -size, 0]
}

function known(name: string, a: Node[], at: Point): C {
  const x = evaluate(a[0], at)
  const one = c.real(1)
  switch (name) {
    case 'sin':
      return c.sin(x)
    case 'cos':
      return c.cos(x)
    case 'tan':
      return c.div(c.sin(x), c.cos(x))
    case 'cot':
      return c.div(c.cos(x), c.sin(x))
    case 'sec':
      return c.div(one, c.cos(x))
    case 'csc':
      return c.div(one, c.sin(x))
    case 'sinh':
      return c.sinh(x)
    case 'cosh':
      return c.cosh(x)
    case 'tanh':
      return c.div(c.sinh(x), c.cosh(x))
    case 'coth':
      return c.div(c.cosh(x), c.sinh(x))
    case 'sech':
      return c.div(one, c.cosh(x))
    case 'csch':
      return c.div(one, c.sinh(x))
    case 'exp':
      return c.exp(x)
    case 'ln':
    case 'log':
    case 'lg': {
      if (a.length > 1) return c.div(c.log(x), c.log(evaluate(a[1], at)))
      return name === 'ln' ? c.log(x) : c.div(c.log(x), c.real(Math.LN10))
    }
    case 'sqrt':
      return c.sqrt(x)
    case 'root': {
      const n = evaluate(a[1], at)
      if (x[1] === 0 && x[0] < 0 && n[1] === 0 && Math.abs(n[0] % 2) === 1) return [-(Math.abs(x[0]) ** (1 / n[0])), 0]
      return c.pow(x, c.div(one, n))
    }
    case 'abs':
      return [c.abs(x), 0]
    case 'floor':
      return [Math.floor(x[0] + 1e-12), 0]
    case 'ceil':
      return [Math.ceil(x[0] - 1e-12), 0]
    case 'conj':
      return [x[0], -x[1]]
    case 'sgn':
      return [Math.sign(x[0]), 0]
    case 'factorial':
      return c.factorial(x)
    case 'binom': {
      const k = evaluate(a[1], at)
      return c.div(c.factorial(x), c.mul(c.factorial(k), c.factorial(c.sub(x, k))))
    }
    case 'max':
    case 'min':
    case 'gcd':
    case 'lcm':
      return ofSeveral(name, [x[0], ...a.slice(1).map(y => evaluate(y, at)[0])])
  }
  const inverse = /^a(?:rc|r)?(sin|cos|tan|cot|sec|csc)(h?)$/.exec(name)
  if (inverse) return inverse[2] ? inverseHyperbolic(inverse[1], x) : inverseCircular(inverse[1], x)
  return called(name, a, at)
}

function ofSeveral(name: string, values: number[]): C {
  if (name === 'max') return [Math.max(...values), 0]
  if (name === 'min') return [Math.min(...values), 0]
  const gcd = (x: number, y: number): number => {
    let [p, q] = [Math.abs(x), Math.abs(y)]
    while (q > 0.5) [p, q] = [q, p % q]
    return p
  }
  if (values.some(x => !Number.isSafeInteger(x))) return [Number.NaN, 0]
  return [values.reduce((x, y) => (name === 'gcd' ? gcd(x, y) : (x / (gcd(x, y) || 1)) * y)), 0]
}

function inverseCircular(name: string, x: C): C {
  const over = () => c.div(c.real(1), x)
  if (name === 'sin') return c.asin(x)
  if (name === 'cos') return c.acos(x)
  if (name === 'tan') return c.atan(x)
  if (name === 'cot') return c.atan(over())
  return name === 'sec' ? c.acos(over()) : c.asin(over())
}

function inverseHyperbolic(name: string, x: C): C {
  if (name === 'sin') return c.log(c.add(x, c.sqrt(c.add(c.mul(x, x), [1, 0]))))
  if (name === 'cos') return c.log(c.add(x, c.mul(c.sqrt(c.add(x, [1, 0])), c.sqrt(c.sub(x, [1, 0])))))
  return c.mul([0.5, 0], c.log(c.div(c.add([1, 0], x), c.sub([1, 0], x))))
}
