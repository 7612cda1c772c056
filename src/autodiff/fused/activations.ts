/** Activations under ONNX Runtime's own names. */

import type { Decomposition } from '../decompose.ts'

export const ACTIVATIONS: Record<string, Decomposition> = {
  /** x σ(αx) */
  QuickGelu: w => {
    const alpha = w.float('alpha', 1.702)
    const [x] = w.x
    return [w.mul(x, w.op('Sigmoid', [alpha === 1 ? x : w.mul(x, alpha)]))]
  },
  /** The tanh approximation of x + bias. */
  FastGelu: w => [w.op('Gelu', [w.x[1] ? w.add(w.x[0], w.x[1]) : w.x[0]], { approximate: 'tanh' })],
  BiasGelu: w => [w.op('Gelu', [w.add(w.x[0], w.x[1])])],
}
