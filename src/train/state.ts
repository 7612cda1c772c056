/** What changes while training, and what a checkpoint holds: weights, AdamW's moments, how many steps were taken. */

import type { HostTensor } from '../graph/session.ts'
import type { MomentFile } from './moments.ts'
import { freshScaler, type Scaler } from './scaler.ts'
import type { Trained } from './step.ts'

export type Tensors = Map<string, HostTensor>

export interface State {
  /** Optimizer steps taken, or skipped. */
  step: number
  weights: Tensors
  first: Tensors
  second: Tensors
  /** Where the moments are kept instead. */
  offloaded?: MomentFile
  /** Where the loss is scaled: in half precision of few exponents. */
  scaler?: Scaler
}

/** A state before the first step, whose tensors are changed in place from then on. `scaled`: whether the loss is. */
export function freshState(trained: Trained[], weights: Tensors, scaled = false, offloaded?: MomentFile): State {
  const moments = () => new Map(offloaded ? [] : trained.map(({ name, start }) => [name, zeros(start.shape)]))
  const more = { ...(scaled && { scaler: freshScaler() }), ...(offloaded && { offloaded }) }
  return { step: 0, weights, first: moments(), second: moments(), ...more }
}

export const zeros = (shape: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
})
