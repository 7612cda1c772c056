/**
 * Notices a run that has gone wrong: a loss or a gradient norm that is no number any more, or a loss that stays far
 * above where it has been. Its memory is part of the checkpoint.
 */

import { UserError } from '../errors.ts'

/** Running mean of the loss and how many steps in a row have stood far above it. */
export interface WatchState {
  mean: number
  steps: number
  high: number
}

/** Steps in a row that make a divergence. */
const PATIENCE = 8
/** Share of a new loss in the running mean. */
const MEMORY = 0.05
/** How far above the mean is far: this many times the mean, and this many nats. */
const TIMES = 1.5
const NATS = 1

export class Watch {
  constructor(readonly state: WatchState = { mean: 0, steps: 0, high: 0 }) {}

  /** @throws UserError where the run should stop; `advice` says what to do next. */
  see(step: number, loss: number, gradNorm: number, advice: string): void {
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      const which = Number.isFinite(loss) ? `gradient norm is ${gradNorm}` : `loss is ${loss}`
      throw new UserError(`train: step ${step}: the ${which}. The weights of this step are thrown away. ${advice}`)
    }
    const { state } = this
    const far = state.steps > 0 && loss > state.mean * TIMES && loss > state.mean + NATS
    state.high = far ? state.high + 1 : 0
    if (state.high >= PATIENCE) {
      throw new UserError(
        `train: step ${step}: the loss has been far above its running mean (${state.mean.toFixed(3)}) for ` +
          `${state.high} steps and is ${loss.toFixed(3)} now: the run diverges. ${advice}`,
      )
    }
    if (far) return
    const share = Math.max(MEMORY, 1 / (state.steps + 1))
    state.mean += share * (loss - state.mean)
    state.steps++
  }
}
