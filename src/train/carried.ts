/**
 * Steps whose state is carried on the device: a run of the graph in steps.ts takes weights and moments there, through as
 * many steps as a few seconds and the pictures' memory allow, and back. How they were shared out among runs changes nothing.
 */

import { UserError } from '../errors.ts'
import type { HostTensor, Session } from '../graph/session.ts'
import { paceOf } from './adamw.ts'
import { type Batch, type Engine, type EngineOptions, finite, type Outcome } from './engine.ts'
import { lay, positionsOf, type Sequence } from './micro.ts'
import { steadyFor } from './scaler.ts'
import { type State, zeros } from './state.ts'
import type { Trained } from './step.ts'
import { CARRIED, PACE } from './steps.ts'

/** Seconds that a run of several steps should not much exceed: longer than a crossing takes, and short to wait for. */
const PATIENCE = 10
/** Bytes of pictures that a run of several steps takes to the device. */
const PICTURES = 2 ** 30

export class Carried implements Engine {
  /** Positions a second, as measured; 0 before the first run. */
  speed = 0

  constructor(
    private readonly state: State,
    private readonly trained: Trained[],
    private readonly options: EngineOptions,
    private readonly session: Session,
  ) {}

  wants(batches: Batch[]): boolean {
    const { scaler } = this.state
    if (scaler && batches.length >= steadyFor(scaler)) return false
    const all = batches.flatMap(({ micro }) => micro)
    const pictures = all.flat().reduce((sum, sequence) => sum + bytesOf(sequence), 0)
    const more = 1 + 1 / batches.length // the next step is taken to be as large as these are
    return more * positionsOf(all) <= this.speed * PATIENCE && more * pictures <= PICTURES
  }

  async run(batches: Batch[]): Promise<Outcome[]> {
    const { state } = this
    const { scale, skipped } = state.scaler ?? { scale: 1, skipped: 0 }
    const all = batches.flatMap(({ micro }) => micro)
    const feeds = { ...lay(all, this.options.reading ?? {}, scale), ...this.plan(batches, 1 / scale, skipped) }
    const told = zeros([batches.length, 3])
    const into: Record<string, HostTensor> = { told }
    const held = [state.weights, state.first, state.second]
    CARRIED.forEach((kind, i) => {
      for (const { name } of this.trained)
        feeds[`from/${kind}${name}`] = into[`next/${kind}${name}`] = held[i].get(name)!
    })
    const started = performance.now()
    await this.session.run(feeds, into).catch(tooLarge)
    this.speed = positionsOf(all) / ((performance.now() - started) / 1000)
    await new Promise(setImmediate) // lets a signal be heard
    const outcomes = batches.map((_, i) => {
      const [loss, logprob, norm] = told.data.slice(3 * i, 3 * i + 3) as Float32Array
      return { loss: loss / scale, logprob, gradNorm: norm / scale }
    })
    const broken = outcomes.findIndex(outcome => !finite(outcome)) // where the graph ended its Loop
    return broken < 0 ? outcomes : outcomes.slice(0, broken + 1)
  }

  close(): Promise<void> {
    return this.session.close()
  }

  /** Which micro-batches belong to which step, and each step's scalars. */
  private plan(batches: Batch[], unscale: number, skipped: number): Record<string, HostTensor> {
    const starts = [0n]
    for (const { micro } of batches) starts.push(starts.at(-1)! + BigInt(micro.length))
    const rows = batches.flatMap(({ lr }, i) => {
      const t = this.state.step + 1 - skipped + i
      const pace = { ...paceOf(this.options, t, lr, unscale, this.options.weightDecay), unscale }
      return PACE.map(name => pace[name])
    })
    return {
      starts: { dtype: 'int64', shape: [starts.length], data: BigInt64Array.from(starts) },
      pace: { dtype: 'float64', shape: [batches.length, PACE.length], data: Float64Array.from(rows) },
    }
  }
}

/** Tells people where the device's memory does not do; ONNX Runtime's words. */
function tooLarge(error: Error): never {
  if (!/failed to allocate|out of memory/i.test(error.message)) throw error
  throw new UserError(
    'train: the device has too little memory. --offload-optimizer leaves moments and updates to the host, --recompute ' +
      'and a smaller --micro-tokens keep fewer activations; --dry-run --memory GIB says what fits',
  )
}

const bytesOf = ({ vision }: Sequence) =>
  Object.values(vision ?? {}).reduce((sum, { data }) => sum + data.byteLength, 0)
