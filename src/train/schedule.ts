/** The learning rate over a run: linear warm-up, then a cosine down to a floor (the paper's floor is lr/4). */

export interface Schedule {
  /** Peak learning rate. */
  lr: number
  /** Optimizer steps of the whole run. */
  steps: number
  /** Steps of linear warm-up (1 or more), or the share of the run that they take (below 1). */
  warmup: number
  /** The last learning rate, as a share of the peak. */
  floor: number
}

/** The learning rate of step 1 … `steps`; the first step already learns. */
export function learningRate(step: number, { lr, steps, warmup, floor }: Schedule): number {
  const rising = warmupSteps(warmup, steps)
  if (step <= rising) return (lr * step) / rising
  const along = steps > rising ? Math.min(1, (step - rising) / (steps - rising)) : 1
  return lr * (floor + ((1 - floor) * (1 + Math.cos(Math.PI * along))) / 2)
}

const warmupSteps = (warmup: number, steps: number) => (warmup >= 1 ? Math.round(warmup) : Math.ceil(warmup * steps))
