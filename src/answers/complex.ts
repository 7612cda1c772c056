/** Complex arithmetic on doubles, as pairs. Only what evaluating an answer needs; branches are the principal ones. */

export type C = readonly [re: number, im: number]

export const real = (x: number): C => [x, 0]
export const add = (a: C, b: C): C => [a[0] + b[0], a[1] + b[1]]
export const sub = (a: C, b: C): C => [a[0] - b[0], a[1] - b[1]]
export const neg = (a: C): C => [-a[0], -a[1]]
export const abs = (a: C): number => (a[1] === 0 ? Math.abs(a[0]) : Math.hypot(a[0], a[1]))
export const finite = (a: C): boolean => Number.isFinite(a[0]) && Number.isFinite(a[1])

export function mul(a: C, b: C): C {
  if (a[1] === 0 && b[1] === 0) return [a[0] * b[0], 0]
  return [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

export function div(a: C, b: C): C {
  if (b[1] === 0) return a[1] === 0 ? [a[0] / b[0], 0] : [a[0] / b[0], a[1] / b[0]]
  const m = b[0] * b[0] + b[1] * b[1]
  return [(a[0] * b[0] + a[1] * b[1]) / m, (a[1] * b[0] - a[0] * b[1]) / m]
}

export function exp(a: C): C {
  const r = Math.exp(a[0])
  return a[1] === 0 ? [r, 0] : [r * Math.cos(a[1]), r * Math.sin(a[1])]
}

export function log(a: C): C {
  return a[1] === 0 && a[0] > 0 ? [Math.log(a[0]), 0] : [Math.log(abs(a)), Math.atan2(a[1], a[0])]
}

/** Integer powers of small size exactly as repeated products give them, real powers of reals by `Math.pow`, else by the logarithm. */
export function pow(a: C, b: C): C {
  if (b[1] === 0) {
    if (a[1] === 0 && (a[0] >= 0 || Number.isInteger(b[0]))) return [a[0] ** b[0], 0]
    if (Number.isInteger(b[0]) && Math.abs(b[0]) <= 64) {
      let out: C = [1, 0]
      for (let i = 0; i < Math.abs(b[0]); i++) out = mul(out, a)
      return b[0] < 0 ? div([1, 0], out) : out
    }
  }
  if (a[0] === 0 && a[1] === 0) return [b[0] > 0 ? 0 : Number.NaN, 0]
  return exp(mul(b, log(a)))
}

export function sqrt(a: C): C {
  if (a[1] === 0) return a[0] >= 0 ? [Math.sqrt(a[0]), 0] : [0, Math.sqrt(-a[0])]
  return pow(a, [0.5, 0])
}

export function sin(a: C): C {
  return a[1] === 0 ? [Math.sin(a[0]), 0] : [Math.sin(a[0]) * Math.cosh(a[1]), Math.cos(a[0]) * Math.sinh(a[1])]
}

export function cos(a: C): C {
  return a[1] === 0 ? [Math.cos(a[0]), 0] : [Math.cos(a[0]) * Math.cosh(a[1]), -Math.sin(a[0]) * Math.sinh(a[1])]
}

/** asin z = −i log(iz + √(1 − z²)) */
export function asin(a: C): C {
  if (a[1] === 0 && Math.abs(a[0]) <= 1) return [Math.asin(a[0]), 0]
  return mul([0, -1], log(add(mul([0, 1], a), sqrt(sub([1, 0], mul(a, a))))))
}

export function acos(a: C): C {
  return sub([Math.PI / 2, 0], asin(a))
}

/** atan z = (i/2) (log(1 − iz) − log(1 + iz)) */
export function atan(a: C): C {
  if (a[1] === 0) return [Math.atan(a[0]), 0]
  const iz = mul([0, 1], a)
  return mul([0, 0.5], sub(log(sub([1, 0], iz)), log(add([1, 0], iz))))
}

export function sinh(a: C): C {
  return a[1] === 0 ? [Math.sinh(a[0]), 0] : mul([0, -1], sin(mul([0, 1], a)))
}

export function cosh(a: C): C {
  return a[1] === 0 ? [Math.cosh(a[0]), 0] : cos(mul([0, 1], a))
}

/** Γ(x + 1) of a real x by Lanczos' series; NaN off the real line. */
export function factorial(a: C): C {
  const x = a[0]
  if (a[1] !== 0 || x > 170) return [x > 170 ? Number.POSITIVE_INFINITY : Number.NaN, 0]
  if (Number.isInteger(x)) {
    if (x < 0) return [Number.NaN, 0]
    let out = 1
    for (let i = 2; i <= x; i++) out *= i
    return [out, 0]
  }
  return [gamma(x + 1), 0]
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

function gamma(x: number): number {
  if (x < 0.5) return Math.PI / (Math.sin(Math.PI * x) * gamma(1 - x))
  const t = x - 1 + 7.5
  let sum = LANCZOS[0]
  for (let i = 1; i < 9; i++) sum += LANCZOS[i] / (x - 1 + i)
  return Math.sqrt(2 * Math.PI) * t ** (x - 0.5) * Math.exp(-t) * sum
}
