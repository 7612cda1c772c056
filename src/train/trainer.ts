/**
 * Holds what changes while training (weights, moments, how many steps were taken) and puts it through the step graph.
 * A step whose micro-batches would take more than a few seconds goes through in slices; the sums do not depend on how
 * it was sliced, so neither do the weights.
 */

import type { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import type { HostTensor, Session, SessionOptions } from '../graph/session.ts'
import { openSession } from '../graph/session.ts'
import { corrections } from './adamw.ts'
import { lay, type Reading, type Sequence } from './micro.ts'
import type { Trained } from './step.ts'

export type Tensors = Map<string, HostTensor>

export interface State {
  /** Optimizer steps taken. */
  step: number
  weights: Tensors
  first: Tensors
  second: Tensors
}

export interface StepResult {
  /** Mean over the step as its weights have it: what the gradient is of. */
  loss: number
  /** Mean natural log-probability of a learnt token, before the step. */
  logprob: number
  /** Before clipping. */
  gradNorm: number
  /** ‖θ − θ₀‖ / ‖θ₀‖ after the step. */
  drift: number
  /** Learnt tokens, all tokens, all positions. */
  targets: number
  tokens: number
  padded: number
}

export interface TrainerOptions {
  betas: [number, number]
  reading: Reading
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
  ) {}

  static async open(
    graph: Graph,
    trained: Trained[],
    state: State,
    options: TrainerOptions,
    session: SessionOptions,
  ): Promise<Trainer> {
    return new Trainer(state, trained, options, await openSession(modelOf(graph), session))
  }

  /**
   * One optimizer step. The state is changed only if loss and gradient are finite.
   *
   * @param stop asked between runs; undefined comes back, and nothing has changed, where it says so
   */
  async step(micro: Sequence[][], lr: number, stop = () => false): Promise<StepResult | undefined> {
    const { trained, state } = this
    const t = state.step + 1
    const { correction1, correction2 } = corrections(this.options.betas, t)
    const total = { loss: 0, logprob: 0, targets: 0, tokens: 0, padded: 0 }
    let sums: Record<string, HostTensor> = Object.fromEntries(
      trained.map(({ name, start }) => [`sum/${name}`, zeros(start.shape.map(() => 1))]),
    )
    for (let from = 0; from < micro.length; ) {
      const to = this.slice(micro, from)
      const last = to === micro.length
      const { feeds, targets, tokens, padded } = lay(micro.slice(from, to), this.options.reading)
      Object.assign(feeds, sums, {
        last: { dtype: 'bool', shape: [], data: Uint8Array.of(last ? 1 : 0) },
        lr: scalar(lr),
        correction1: scalar(correction1),
        correction2: scalar(correction2),
      })
      for (const { name } of trained) {
        feeds[name] = state.weights.get(name)!
        feeds[`first/${name}`] = state.first.get(name)!
        feeds[`second/${name}`] = state.second.get(name)!
      }
      const started = performance.now()
      const made = await this.session.run(feeds, this.fetches(last))
      this.speed = padded / ((performance.now() - started) / 1000)
      total.loss += Number(made.loss.data[0])
      total.logprob += Number(made.logprob.data[0])
      total.targets += targets
      total.tokens += tokens
      total.padded += padded
      from = to
      if (last) return this.settle(made, total)
      sums = Object.fromEntries(trained.map(({ name }) => [`sum/${name}`, made[`next/sum/${name}`]]))
      await new Promise(setImmediate) // lets a signal be heard
      if (stop()) return undefined
    }
    throw new Error('a step without micro-batches')
  }

  close(): Promise<void> {
    return this.session.close()
  }

  private settle(made: Record<string, HostTensor>, total: Omit<StepResult, 'gradNorm' | 'drift'>): StepResult {
    const gradNorm = Number(made.norm.data[0])
    const drift = Number(made.drift.data[0])
    if (Number.isFinite(total.loss) && Number.isFinite(gradNorm)) {
      for (const { name } of this.trained) {
        this.state.weights.set(name, made[`next/${name}`])
        this.state.first.set(name, made[`next/first/${name}`])
        this.state.second.set(name, made[`next/second/${name}`])
      }
      this.state.step++
    }
    return { ...total, logprob: total.logprob / total.targets, gradNorm, drift }
  }

  /** How far a run that starts at micro-batch `from` goes. */
  private slice(micro: Sequence[][], from: number): number {
    let to = from + 1
    const size = (batch: Sequence[]) => batch.length * batch[0].ids.length
    const budget = this.speed * PATIENCE
    for (let sum = size(micro[from]); to < micro.length && sum + size(micro[to]) <= budget; to++) sum += size(micro[to])
    return to
  }

  private fetches(last: boolean): string[] {
    const each = last ? ['next/', 'next/first/', 'next/second/'] : ['next/sum/']
    const tensors = this.trained.flatMap(({ name }) => each.map(kind => kind + name))
    return [...tensors, 'loss', 'logprob', ...(last ? ['norm', 'drift'] : [])]
  }
}

/** A state before the first step. */
export function freshState(trained: Trained[], weights: Tensors): State {
  const moments = () => new Map(trained.map(({ name, start }) => [name, zeros(start.shape)]))
  return { step: 0, weights, first: moments(), second: moments() }
}

export const zeros = (shape: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
})
const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) })
