/** Operators that work element by element. Broadcasting is not thought of here: the walk undoes it. */

import { DTYPE_CODES } from '../../graph/ir.ts'
import type { Rule, Site } from './site.ts'

export const ELEMENTWISE: Record<string, Rule> = {
  Identity: ({ g }) => [g],
  /** Exports are of models that do not drop out. */
  Dropout: ({ g }) => [g, null, null],
  Cast: s => [s.op('Cast', [s.g], { to: DTYPE_CODES[s.graph.type(s.x[0]).dtype] })],
  CastLike: s => [s.op('CastLike', [s.g, s.x[0]]), null],

  Add: ({ g }) => [g, g],
  Sum: ({ g, x }) => x.map(() => g),
  Sub: s => [s.g, s.neg(s.g)],
  Mul: s => [s.mul(s.g, s.x[1]), s.mul(s.g, s.x[0])],
  Div: s => {
    const first = s.div(s.g, s.x[1])
    return [first, s.neg(s.mul(first, s.y))] // y = a/b, dy/db = −y/b
  },
  Neg: s => [s.neg(s.g)],
  Reciprocal: s => [s.neg(s.mul(s.g, s.mul(s.y, s.y)))],
  Pow: s => [s.mul(s.g, powerSlope(s)), s.mul(s.g, s.mul(s.y, s.op('Log', [s.x[0]])))],
  Sqrt: s => [s.mul(s.div(s.g, s.y), 0.5)],
  Exp: s => [s.mul(s.g, s.y)],
  Log: s => [s.div(s.g, s.x[0])],
  Sin: s => [s.mul(s.g, s.op('Cos', [s.x[0]]))],
  Cos: s => [s.neg(s.mul(s.g, s.op('Sin', [s.x[0]])))],

  Abs: s => [s.mul(s.g, s.op('Sign', [s.x[0]]))],
  Max: s => winner(s, 'GreaterOrEqual', 'Less'),
  Min: s => winner(s, 'LessOrEqual', 'Greater'),
  Clip: s => [s.gate(s.op('Equal', [s.x[0], s.y]), s.g), null, null],
  Where: s => [null, s.gate(s.x[0], s.g), s.op('Where', [s.x[0], s.scalar(0), s.g])],
  // Constant almost everywhere.
  Sign: () => [null],
  Floor: () => [null],
  Ceil: () => [null],
  Round: () => [null],

  Relu: s => [s.gate(s.op('Greater', [s.y, s.scalar(0)]), s.g)],
  LeakyRelu: s => [s.op('Where', [s.op('Greater', [s.x[0], s.scalar(0)]), s.g, s.mul(s.g, s.float('alpha', 0.01))])],
  Softplus: s => [s.mul(s.g, s.op('Sigmoid', [s.x[0]]))],
  Tanh: s => [s.sub(s.g, s.mul(s.g, s.mul(s.y, s.y)))],
  Sigmoid: s => {
    const gy = s.mul(s.g, s.y)
    return [s.sub(gy, s.mul(gy, s.y))]
  },
  Erf: s => {
    const square = s.mul(s.x[0], s.x[0])
    return [s.mul(s.g, s.mul(s.op('Exp', [s.neg(square)]), 2 / Math.sqrt(Math.PI)))]
  },
  Gelu: s => [s.mul(s.g, s.text('approximate', 'none') === 'tanh' ? geluTanhSlope(s) : geluSlope(s))],
}

/** p x^(p−1); the common squares and cubes without Pow. */
function powerSlope(s: Site): string {
  const [x, p] = s.x
  const power = s.constant(p)
  if (power === 2) return s.mul(x, 2)
  if (power !== undefined) return s.mul(s.op('Pow', [x, s.scalar(power - 1)]), power)
  const exponent = s.graph.type(p).dtype === s.graph.type(x).dtype ? p : s.op('CastLike', [p, x])
  return s.mul(s.op('Pow', [x, s.sub(exponent, s.scalar(1))]), exponent)
}

/** The gradient goes to the operand that won; at a tie, to the first. */
function winner(s: Site, first: string, second: string): string[] {
  if (s.x.length === 1) return [s.g]
  if (s.x.length > 2) s.refuse(`${s.node.op} of ${s.x.length} tensors`)
  return [first, second].map(compare => s.gate(s.op(compare, s.x), s.g))
}

/** d/dx x Φ(x) = Φ(x) + x φ(x) */
function geluSlope(s: Site): string {
  const [x] = s.x
  const cdf = s.mul(s.add(s.op('Erf', [s.mul(x, Math.SQRT1_2)]), s.scalar(1)), 0.5)
  const density = s.op('Exp', [s.mul(s.mul(x, x), -0.5)])
  return s.add(cdf, s.mul(s.mul(x, density), 1 / Math.sqrt(2 * Math.PI)))
}

/** y = x (1 + t)/2 with t = tanh(u), u = c (x + a x³): dy = (1 + t)/2 + x (1 − t²)/2 · c (1 + 3 a x²) */
function geluTanhSlope(s: Site): string {
  const [x] = s.x
  const [c, a] = [Math.sqrt(2 / Math.PI), 0.044715]
  const square = s.mul(x, x)
  const t = s.op('Tanh', [s.mul(x, s.add(s.mul(square, c * a), s.scalar(c)))])
  const slope = s.add(s.mul(square, 1.5 * c * a), s.scalar(0.5 * c))
  const bell = s.sub(s.scalar(1), s.mul(t, t))
  return s.add(s.add(s.mul(t, 0.5), s.scalar(0.5)), s.mul(s.mul(x, slope), bell))
}
