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

/** Scalars of one step, as names of float32 values in the graph. */
export interface Pace {
  lr: string
  /** 1 − β₁ᵗ */
  correction1: string
  /** √(1 − β₂ᵗ) */
  correction2: string
  /** Weight decay: that of the settings, or 0. */
  decay: string
}

/** The numbers that `Pace` names, for step `t` = 1, 2, … */
export function corrections([beta1, beta2]: [number, number], t: number): { correction1: number; correction2: number } {
  return { correction1: 1 - beta1 ** t, correction2: Math.sqrt(1 - beta2 ** t) }
}

/** √Σ‖gᵢ‖² over all tensors, a scalar. */
export function globalNorm(g: Graph, gradients: string[]): string {
  const squares = gradients.map(gradient => g.op('ReduceSumSquare', [gradient], { keepdims: 0 }))
  return g.op('Sqrt', [squares.length > 1 ? g.op('Sum', squares) : squares[0]])
}

/** The factor that brings a gradient of norm `norm` down to `clip`: min(1, clip / (norm + 1e-6)). */
export function clipFactor(g: Graph, norm: string, clip: number): string {
  if (clip <= 0) return g.scalar(1)
  return g.op('Min', [g.scalar(1), g.op('Div', [g.scalar(clip), g.op('Add', [norm, g.scalar(1e-6)])])])
}

/**
 * One tensor's step.
 *
 * @param state the tensor, its gradient (not yet clipped) and its two moments, all of one shape
 * @param factor what the gradient is multiplied by
 * @returns the tensor and the moments after the step
 */
export function adamwStep(
  g: Graph,
  state: { weight: string; gradient: string; first: string; second: string },
  factor: string,
  pace: Pace,
  { betas: [beta1, beta2], epsilon }: AdamW,
): { weight: string; first: string; second: string } {
  const mul = (a: string, b: string) => g.op('Mul', [a, b])
  const gradient = mul(state.gradient, factor)
  const first = g.op('Add', [mul(state.first, g.scalar(beta1)), mul(gradient, g.scalar(1 - beta1))])
  const square = mul(mul(gradient, gradient), g.scalar(1 - beta2))
  const second = g.op('Add', [mul(state.second, g.scalar(beta2)), square])
  const scale = g.op('Add', [g.op('Div', [g.op('Sqrt', [second]), pace.correction2]), g.scalar(epsilon)])
  const change = mul(g.op('Div', [first, scale]), g.op('Div', [pace.lr, pace.correction1]))
  const keep = g.op('Sub', [g.scalar(1), mul(pace.lr, pace.decay)])
  const weight = g.op('Sub', [mul(state.weight, keep), change])
  return { weight, first, second }
}
