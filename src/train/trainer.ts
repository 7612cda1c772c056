/**
 * Holds what changes while training (weights, moments, how many steps were taken) and puts it through the step graph.
 * On the CPU a run is a micro-batch. On a GPU a step whose micro-batches would take more than a few seconds goes through
 * in slices; the sums do not depend on how it was sliced, so neither do the weights.
 */

import type { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import type { HostTensor, Session, SessionOptions } from '../graph/session.ts'
import { openSession } from '../graph/session.ts'
import { driftOf } from './drift.ts'
import { lay, type Reading, type Sequence } from './micro.ts'
import type { MomentFile } from './moments.ts'
import { freshScaler, kept, overflowed, type Scaler } from './scaler.ts'
import type { Trained } from './step.ts'
import { type UpdateOptions, Updater } from './update.ts'

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

export interface StepResult {
  /** Mean over the step as its weights have it: what the gradient is of. */
  loss: number
  /** Mean natural log-probability of a learnt token, before the step. */
  logprob: number
  /** Before clipping. */
  gradNorm: number
  /** ‖θ − θ₀‖ / ‖θ₀‖ after the step, where it was asked for. */
  drift?: number
  /** The gradient was no number, which a smaller scale will mend: the weights are as before. */
  skipped: boolean
  /** Learnt tokens, all tokens, all positions. */
  targets: number
  tokens: number
  padded: number
}

export interface TrainerOptions extends UpdateOptions {
  /** How the model reads; text alone where absent. */
  reading?: Reading
  /** Whether the graph goes over several micro-batches a run. */
  loop?: boolean
}

/** Seconds that one run should not much exceed. */
const PATIENCE = 3

export class Trainer {
  /** Positions a second, as measured; 0 before the first run. */
  private speed = 0

  private constructor(
    readonly state: State,
    private readonly trained: Trained[],
    private readonly options: TrainerOptions,
    private readonly session: Session,
    private readonly updater: Updater,
    /** Where starting weights lie in files. */
    private readonly folder: string,
    /** Gradients of the step so far. */
    private readonly sums: Tensors,
  ) {}

  static async open(
    graph: Graph,
    trained: Trained[],
    state: State,
    options: TrainerOptions,
    session: SessionOptions,
  ): Promise<Trainer> {
    const updater = await Updater.open(options, session.threads)
    const sums = new Map(trained.map(({ name, start }) => [name, zeros(start.shape)]))
    const opened = await openSession(modelOf(graph), { frugal: true, writes: true, ...session })
    return new Trainer(state, trained, options, opened, updater, session.folder ?? '', sums)
  }

  /**
   * One optimizer step. The state is changed only if loss and gradient are finite; where the loss is scaled and the
   * gradient is not finite, the step is skipped: it counts, and nothing moves.
   *
   * @param stop asked between runs; undefined comes back, and nothing has changed, where it says so
   * @param far whether to tell the drift, for which all starting weights are read
   */
  async step(micro: Sequence[][], lr: number, stop = () => false, far = true): Promise<StepResult | undefined> {
    const { trained, state, sums } = this
    const total = { loss: 0, logprob: 0, targets: 0, tokens: 0, padded: 0 }
    for (const { data } of sums.values()) (data as Float32Array).fill(0)
    const { scale } = state.scaler ?? { scale: 1 }
    const into: Record<string, HostTensor> = { loss: zeros([]), logprob: zeros([]), norm: zeros([]) }
    for (const { name } of trained) into[`next/sum/${name}`] = sums.get(name)!
    for (let from = 0; from < micro.length; ) {
      const to = this.slice(micro, from)
      const last = to === micro.length
      const { feeds, targets, tokens, padded } = lay(micro.slice(from, to), this.options.reading ?? {})
      // The loss is linear in them, and so is the gradient.
      const weights = feeds['micro.weights'].data as Float32Array
      for (let i = 0; i < weights.length; i++) weights[i] *= scale
      feeds.last = { dtype: 'bool', shape: [], data: Uint8Array.of(last ? 1 : 0) }
      for (const { name } of trained) {
        feeds[name] = state.weights.get(name)!
        feeds[`sum/${name}`] = sums.get(name)!
      }
      const started = performance.now()
      await this.session.run(feeds, into)
      this.speed = padded / ((performance.now() - started) / 1000)
      total.loss += Number(into.loss.data[0]) / scale
      total.logprob += Number(into.logprob.data[0])
      total.targets += targets
      total.tokens += tokens
      total.padded += padded
      from = to
      await new Promise(setImmediate) // lets a signal be heard
      if (last) return this.settle(Number(into.norm.data[0]) / scale, lr, far, total)
      if (stop()) return undefined
    }
    throw new Error('a step without micro-batches')
  }

  async close(): Promise<void> {
    await this.updater.close()
    await this.state.offloaded?.close()
    await this.session.close()
  }

  private async settle(
    gradNorm: number,
    lr: number,
    far: boolean,
    total: Omit<StepResult, 'gradNorm' | 'drift' | 'skipped'>,
  ): Promise<StepResult> {
    const { state, sums } = this
    const { scaler } = state
    let [drift, skipped]: [number | undefined, boolean] = [undefined, false]
    if (Number.isFinite(total.loss) && Number.isFinite(gradNorm)) {
      const floats = (tensors: Tensors, name: string) => tensors.get(name)!.data as Float32Array
      const slots = this.trained.map(each => ({
        ...each,
        weight: floats(state.weights, each.name),
        gradient: floats(sums, each.name),
        first: state.offloaded?.first.get(each.name) ?? floats(state.first, each.name),
        second: state.offloaded?.second.get(each.name) ?? floats(state.second, each.name),
      }))
      const { scale = 1, skipped: not = 0 } = scaler ?? {}
      await this.updater.step(state.step + 1 - not, lr, gradNorm, slots, 1 / scale)
      if (far) drift = await driftOf(slots, this.folder)
      if (scaler) kept(scaler)
      state.step++
    } else if (scaler && Number.isFinite(total.loss) && overflowed(scaler)) {
      skipped = true
      state.step++
    }
    return { ...total, logprob: total.logprob / total.targets, gradNorm, drift, skipped }
  }

  /** How far a run that starts at micro-batch `from` goes. */
  private slice(micro: Sequence[][], from: number): number {
    let to = from + 1
    if (!this.options.loop) return to
    const size = (batch: Sequence[]) => batch.length * batch[0].ids.length
    const budget = this.speed * PATIENCE
    for (let sum = size(micro[from]); to < micro.length && sum + size(micro[to]) <= budget; to++) sum += size(micro[to])
    return to
  }
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
