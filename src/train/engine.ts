/** How a trainer has its steps computed: host.ts on the CPU and wherever moments do not fit, carried.ts on a GPU. */

import type { Reading, Sequence } from './micro.ts'
import type { UpdateOptions } from './update.ts'

export interface EngineOptions extends UpdateOptions {
  /** How the model reads; text alone where absent. */
  reading?: Reading
  /** Whether the graph goes over several micro-batches a run. */
  loop?: boolean
  /** Whether it goes over several steps a run: one of steps.ts. The moments are in memory then. */
  carried?: boolean
}

/** What a step takes. */
export interface Batch {
  micro: Sequence[][]
  lr: number
}

/** What a step comes to, under the weights from before it. */
export interface Outcome {
  /** Mean over the step: what the gradient is of. */
  loss: number
  /** Σ of the natural log-probabilities of learnt tokens. */
  logprob: number
  /** Before clipping. */
  gradNorm: number
}

/** Whether a step with this outcome moves anything. */
export const finite = ({ loss, gradNorm }: Outcome): boolean => Number.isFinite(loss) && Number.isFinite(gradNorm)

export interface Engine {
  /** Whether a run that has these batches has room for the step after them. */
  wants(batches: Batch[]): boolean
  /**
   * Moves weights and moments through the steps, up to one that is not finite: that one moves nothing, and the ones after
   * it are left out. All else in the state is the trainer's to keep.
   *
   * @param stop asked where a run is less than a step; nothing comes back, and nothing has changed, where it says so
   */
  run(batches: Batch[], stop: () => boolean): Promise<Outcome[]>
  close(): Promise<void>
}
