/**
 * Takes a state through optimizer steps, one or several in a run, and keeps account of them: the count, the scale of the
 * loss, the drift. Where gradients and updates are computed is the engine's affair, and changes last digits only.
 */

import type { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { openSession, type SessionOptions } from '../graph/session.ts'
import { Carried } from './carried.ts'
import { driftOf } from './drift.ts'
import { type Batch, type Engine, type EngineOptions, finite, type Outcome } from './engine.ts'
import { Host } from './host.ts'
import { type Sequence, type Tally, tally } from './micro.ts'
import { kept, overflowed } from './scaler.ts'
import type { State } from './state.ts'
import type { Trained } from './step.ts'
import { Updater } from './update.ts'

export interface StepResult extends Outcome, Tally {
  /** Mean natural log-probability of a learnt token, before the step. */
  logprob: number
  /** ‖θ − θ₀‖ / ‖θ₀‖ after the step, where it was asked for. */
  drift?: number
  /** The gradient was no number, which a smaller scale will mend: the weights are as before. */
  skipped: boolean
}

export class Trainer {
  private constructor(
    readonly state: State,
    private readonly trained: Trained[],
    readonly engine: Engine,
    /** Where starting weights lie in files. */
    private readonly folder: string,
  ) {}

  static async open(
    graph: Graph,
    trained: Trained[],
    state: State,
    options: EngineOptions,
    session: SessionOptions,
  ): Promise<Trainer> {
    const updater = options.carried ? undefined : await Updater.open(options, session.threads)
    const opened = await openSession(modelOf(graph), { frugal: true, writes: true, ...session })
    const engine = updater
      ? new Host(state, trained, options, opened, updater)
      : new Carried(state, trained, options, opened)
    return new Trainer(state, trained, engine, session.folder ?? '')
  }

  /** Whether a run with these steps has room for one more. */
  wants(batches: Batch[]): boolean {
    return this.engine.wants(batches)
  }

  /**
   * A run of optimizer steps. A step changes weights and moments only if its loss and gradient are finite. Where they are
   * not, it is the last of the run; where the loss is scaled and the gradient is not finite, it is skipped: it counts.
   *
   * @param stop asked where the run is less than a step; nothing comes back, and nothing has changed, where it says so
   * @param far whether to tell the drift after the last step, for which all starting weights are read
   */
  async steps(batches: Batch[], stop = () => false, far = true): Promise<StepResult[]> {
    const { state, trained, folder } = this
    const outcomes = await this.engine.run(batches, stop)
    const results = outcomes.map((outcome, i): StepResult => {
      const sizes = tally(batches[i].micro)
      return { ...outcome, ...sizes, logprob: outcome.logprob / sizes.targets, skipped: this.note(outcome) }
    })
    const last = results.at(-1)
    if (far && last && results.length === batches.length && finite(last)) {
      const weights = trained.map(({ name, start }) => ({ start, weight: state.weights.get(name)!.data as Float32Array })) // biome-ignore format: one thought
      last.drift = await driftOf(weights, folder)
    }
    return results
  }

  /** One step. */
  async step(micro: Sequence[][], lr: number, stop?: () => boolean, far?: boolean): Promise<StepResult | undefined> {
    return (await this.steps([{ micro, lr }], stop, far))[0]
  }

  async close(): Promise<void> {
    await this.state.offloaded?.close()
    await this.engine.close()
  }

  /** Takes note of a step. @returns whether it was skipped */
  private note(outcome: Outcome): boolean {
    const { state } = this
    const { scaler } = state
    if (finite(outcome)) {
      if (scaler) kept(scaler)
      state.step++
      return false
    }
    const skipped = scaler !== undefined && Number.isFinite(outcome.loss) && overflowed(scaler)
    if (skipped) state.step++
    return skipped
  }
}
