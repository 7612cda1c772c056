/**
 * Exact rational values, so that 10^20 + 1 is not 10^20. What it leaves out: everything irrational (null: the caller samples instead)
 * and results over the bit bound (null too).
 */
import type { Node } from './ast.ts'
import { LIMITS } from './limits.ts'

export type Rational = readonly [n: bigint, d: bigint]

const bits = (x: bigint) => x.toString(16).length * 4

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b]
  while (y) [x, y] = [y, x % y]
  return x
}

function reduce(n: bigint, d: bigint): Rational | null {
  if (d === 0n || bits(n) > LIMITS.bits || bits(d) > LIMITS.bits) return null
  const g = gcd(n, d < 0n ? -d : d)
  const sign = d < 0n ? -1n : 1n
  return [(sign * n) / g, (sign * d) / g]
}

/** The exact value of a tree without symbols, roots or functions (small factorials aside), or null. */
export function exact(node: Node): Rational | null {
  switch (node.k) {
    case 'num':
      return reduce(node.n, node.d)
    case 'neg': {
      const x = exact(node.x)
      return x && [-x[0], x[1]]
    }
    case 'add':
    case 'mul': {
      let out: Rational | null = node.k === 'add' ? [0n, 1n] : [1n, 1n]
      for (const child of node.a) {
        const x = exact(child)
        if (!x || !out) return null
        out =
          node.k === 'add' ? reduce(out[0] * x[1] + x[0] * out[1], out[1] * x[1]) : reduce(out[0] * x[0], out[1] * x[1])
      }
      return out
    }
    case 'div': {
      const x = exact(node.x)
      const y = x && exact(node.y)
      return x && y && reduce(x[0] * y[1], x[1] * y[0])
    }
    case 'pow': {
      const x = exact(node.x)
      const y = x && exact(node.y)
      if (!x || !y || y[1] !== 1n) return null
      const e = y[0] < 0n ? -y[0] : y[0]
      if (e > 4096n || Number(e) * Math.max(bits(x[0]) - 3, bits(x[1]) - 3, 1) > LIMITS.bits * 2) return null
      return y[0] < 0n ? reduce(x[1] ** e, x[0] ** e) : reduce(x[0] ** e, x[1] ** e)
    }
    case 'fn': {
      if (node.name !== 'factorial') return null
      const x = exact(node.a[0])
      if (x?.[1] !== 1n || x[0] < 0n || x[0] > 300n) return null
      let out = 1n
      for (let i = 2n; i <= x[0]; i++) out *= i
      return [out, 1n]
    }
    default:
      return null
  }
}

/** @returns the sign of a − b */
export function compare(a: Rational, b: Rational): number {
  const difference = a[0] * b[1] - b[0] * a[1]
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
