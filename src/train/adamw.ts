/**
 * AdamW as graph operators (Loshchilov & Hutter 2019, decoupled decay; the arithmetic is PyTorch's, which the goldens
 * hold us to), with the gradient clipped by its global norm. What changes from step to step comes in as scalars, so
 * the graph is built once. Left out: AMSGrad, per-group learning rates.
 */

import type { Graph } from '../graph/ir.ts'

export interface AdamW {
  /** Decay rates of the first and the second moment. */
  betas: [number, number]
  epsilon: number
  weightDecay: number
}

/** Scalars of one step of one tensor, put together so that a tensor is gone over as few times as may be. */
export interface Pace<T = number> {
  /** (1 − β₁)·f, where f is what the gradient is multiplied by. */
  first: T
  /** (1 − β₂)·f² */
  second: T
  /** ε·√(1 − β₂ᵗ) */
  epsilon: T
  /** lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ) */
  rate: T
  /** 1 − lr·λ */
  keep: T
}

/**
 * What step `t` = 1, 2, … takes.
 *
 * @param factor what the gradient is multiplied by before all else
 * @param decay λ, the weight decay of this tensor
 */
export function paceOf(
  { betas: [beta1, beta2], epsilon }: AdamW,
  t: number,
  lr: number,
  factor: number,
  decay: number,
): Pace {
  // biome-ignore format: one thought
  const root = Math.sqrt(1 - beta2 ** t)
  return {
    first: (1 - beta1) * factor,
    second: (1 - beta2) * factor ** 2,
    epsilon: epsilon * root,
    rate: (lr * root) / (1 - beta1 ** t),
    keep: 1 - lr * decay,
  }
}

/** The factor that brings a gradient of norm `norm` down to `clip`: min(1, clip / (norm + 1e-6)); 1 where `clip` is 0. */
export const clipFactor = (norm: number, clip: number): number => (clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1)

/** √Σ‖gᵢ‖² over all tensors, a scalar. */
export function globalNorm(g: Graph, gradients: string[]): string {
  const squares = gradients.map(gradient => g.op('ReduceSumSquare', [gradient], { keepdims: 0 }))
  return g.op('Sqrt', [squares.length > 1 ? g.op('Sum', squares) : squares[0]])
}

/**
 * One tensor's step: m ← β₁m + (1 − β₁)fg, v ← β₂v + (1 − β₂)(fg)², θ ← (1 − lr·λ)θ − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).
 *
 * @param state the tensor, its gradient and its two moments, all of one shape
 * @returns the tensor and the moments after the step
 */
export function adamwStep(
  g: Graph,
  state: { weight: string; gradient: string; first: string; second: string },
  pace: Pace<string>,
  { betas: [beta1, beta2] }: AdamW,
): { weight: string; first: string; second: string } {
  const mul = (a: string, b: string) => g.op('Mul', [a, b])
  const square = mul(state.gradient, state.gradient)
  const first = g.op('Add', [mul(state.first, g.scalar(beta1)), mul(state.gradient, pace.first)])
  const second = g.op('Add', [mul(state.second, g.scalar(beta2)), mul(square, pace.second)])
  const change = g.op('Div', [mul(first, pace.rate), g.op('Add', [g.op('Sqrt', [second]), pace.epsilon])])
  const weight = g.op('Sub', [mul(state.weight, pace.keep), change])
  return { weight, first, second }
}
