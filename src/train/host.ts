/**
 * A step whose state lies with the host: a run of the graph in step.ts adds gradients up, update.ts then moves weights
 * and moments where they lie. On the CPU a run is a micro-batch. On a GPU a step whose micro-batches would take more than
 * a few seconds goes through in slices; the sums do not depend on how it was sliced, so neither do the weights.
 */

import type { HostTensor, Session } from '../graph/session.ts'
import { type Batch, type Engine, type EngineOptions, finite, type Outcome } from './engine.ts'
import { lay, positionsOf, type Sequence } from './micro.ts'
import { type State, type Tensors, zeros } from './state.ts'
import type { Trained } from './step.ts'
import type { Updater } from './update.ts'

/** Seconds that one run should not much exceed. */
const PATIENCE = 3

export class Host implements Engine {
  /** Positions a second, as measured; 0 before the first run. */
  speed = 0
  /** Gradients of the step so far. */
  private readonly sums: Tensors

  constructor(
    private readonly state: State,
    private readonly trained: Trained[],
    private readonly options: EngineOptions,
    private readonly session: Session,
    private readonly updater: Updater,
  ) {
    this.sums = new Map(trained.map(({ name, start }) => [name, zeros(start.shape)]))
  }

  /** A run is a step, or less. */
  wants(): boolean {
    return false
  }

  async run([{ micro, lr }]: Batch[], stop: () => boolean): Promise<Outcome[]> {
    const { trained, state, sums } = this
    const outcome = { loss: 0, logprob: 0, gradNorm: 0 }
    for (const { data } of sums.values()) (data as Float32Array).fill(0)
    const { scale } = state.scaler ?? { scale: 1 }
    const into: Record<string, HostTensor> = { loss: zeros([]), logprob: zeros([]), norm: zeros([]) }
    for (const { name } of trained) into[`next/sum/${name}`] = sums.get(name)!
    for (let from = 0; from < micro.length; ) {
      const to = this.slice(micro, from)
      const last = to === micro.length
      const slice = micro.slice(from, to)
      const feeds = lay(slice, this.options.reading ?? {}, scale)
      feeds.last = { dtype: 'bool', shape: [], data: Uint8Array.of(last ? 1 : 0) }
      for (const { name } of trained) {
        feeds[name] = state.weights.get(name)!
        feeds[`sum/${name}`] = sums.get(name)!
      }
      const started = performance.now()
      await this.session.run(feeds, into)
      this.speed = positionsOf(slice) / ((performance.now() - started) / 1000)
      outcome.loss += Number(into.loss.data[0]) / scale
      outcome.logprob += Number(into.logprob.data[0])
      from = to
      await new Promise(setImmediate) // lets a signal be heard
      if (!last && stop()) return []
    }
    outcome.gradNorm = Number(into.norm.data[0]) / scale
    if (finite(outcome)) await this.update(lr, outcome.gradNorm)
    return [outcome]
  }

  async close(): Promise<void> {
    await this.updater.close()
    await this.session.close()
  }

  private async update(lr: number, gradNorm: number): Promise<void> {
    const { state, sums } = this
    const floats = (tensors: Tensors, name: string) => tensors.get(name)!.data as Float32Array
    const slots = this.trained.map(({ name, decays }) => ({
      decays,
      weight: floats(state.weights, name),
      gradient: floats(sums, name),
      first: state.offloaded?.first.get(name) ?? floats(state.first, name),
      second: state.offloaded?.second.get(name) ?? floats(state.second, name),
    }))
    const { scale = 1, skipped = 0 } = state.scaler ?? {}
    await this.updater.step(state.step + 1 - skipped, lr, gradNorm, slots, 1 / scale)
  }

  /** How far a run that starts at micro-batch `from` goes. */
  private slice(micro: Sequence[][], from: number): number {
    let to = from + 1
    if (!this.options.loop) return to
    const size = (batch: Sequence[]) => positionsOf([batch])
    const budget = this.speed * PATIENCE
    for (let sum = size(micro[from]); to < micro.length && sum + size(micro[to]) <= budget; to++) sum += size(micro[to])
    return to
  }
}
