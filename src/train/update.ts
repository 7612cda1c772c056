/**
 * The end of a step: the gradient is clipped and AdamW moves every tensor, a piece at a time and in place, so that
 * nothing beside weights, gradients and moments is held. Runs on the CPU, where they lie (the moments in a file, maybe).
 */

import { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession, type Session } from '../graph/session.ts'
import { type AdamW, adamwStep, clipFactor, type Pace, paceOf } from './adamw.ts'
import { Filed } from './moments.ts'

export interface UpdateOptions extends AdamW {
  /** The greatest gradient norm; 0: no clipping. */
  clip: number
}

/** What belongs to one trained tensor; all but the gradient are changed. */
export interface Slots {
  decays: boolean
  weight: Float32Array
  gradient: Float32Array
  first: Float32Array | Filed
  second: Float32Array | Filed
}

/** Elements that are read from a file at once. */
const CHUNK = 1 << 20
/** Elements that are worked on at once: what is computed of them stays in the caches. */
const PIECE = 1 << 17

export class Updater {
  /** What moments are read into that lie in a file. */
  private readonly room: { first?: Float32Array; second?: Float32Array } = {}

  private constructor(
    private readonly options: UpdateOptions,
    private readonly session: Session,
  ) {}

  static async open(options: UpdateOptions, threads?: number): Promise<Updater> {
    return new Updater(options, await openSession(modelOf(build(options)), { threads, writes: true }))
  }

  /** Step `t` = 1, 2, … with a gradient of norm `norm`, which is `unscale` times the ones that are given. */
  async step(t: number, lr: number, norm: number, tensors: Slots[], unscale = 1): Promise<void> {
    const factor = clipFactor(norm, this.options.clip) * unscale
    for (const { decays, weight, gradient, first, second } of tensors) {
      const pace = paceOf(this.options, t, lr, factor, decays ? this.options.weightDecay : 0)
      const scalars = Object.fromEntries(Object.entries(PACE).map(([key, name]) => [name, scalar(pace[key as keyof Pace])])) // biome-ignore format: one thought
      for (let at = 0; at < weight.length; at += CHUNK) {
        const part = (all: Float32Array) => all.subarray(at, at + CHUNK)
        const size = part(weight).length
        const held = await Promise.all([this.take('first', first, at, size), this.take('second', second, at, size)])
        await this.chunk(scalars, { weight: part(weight), gradient: part(gradient), first: held[0], second: held[1] })
        await Promise.all([first, second].map((moment, i) => moment instanceof Filed && moment.write(at, held[i])))
      }
    }
  }

  close(): Promise<void> {
    return this.session.close()
  }

  /** Elements of a moment, where they can be changed. */
  private async take(kind: 'first' | 'second', moment: Float32Array | Filed, at: number, size: number) {
    if (moment instanceof Float32Array) return moment.subarray(at, at + size)
    this.room[kind] ??= new Float32Array(CHUNK)
    const room = this.room[kind].subarray(0, size)
    await moment.read(at, room)
    return room
  }

  /** Moves a chunk, piece by piece, in place. */
  private async chunk(scalars: Record<string, HostTensor>, slots: Record<string, Float32Array>): Promise<void> {
    for (let at = 0; at < slots.weight.length; at += PIECE) {
      const feeds: Record<string, HostTensor> = {}
      for (const [name, all] of Object.entries(slots)) {
        const data = all.subarray(at, at + PIECE)
        feeds[name] = { dtype: 'float32', shape: [data.length], data }
      }
      const { weight, first, second } = feeds
      await this.session.run({ ...scalars, ...feeds }, { 'next/weight': weight, 'next/first': first, 'next/second': second }) // biome-ignore format: one thought
    }
  }
}

/**
 * One piece: (n,) each of weight, gradient, first and second, and scalars → the same moved on.
 * Nothing reads an input after the output that takes its place is made.
 */
function build(options: UpdateOptions): Graph {
  const g = new Graph('update')
  const [weight, gradient, first, second] = ['weight', 'gradient', 'first', 'second'].map(name => g.input(name, 'float32', ['n'])) // biome-ignore format: one thought
  for (const name of Object.values(PACE)) g.input(name, 'float32', [])
  const next = adamwStep(g, { weight, gradient, first, second }, PACE, options)
  for (const [name, value] of Object.entries(next)) g.output(value, `next/${name}`)
  return g
}

/** The names of the scalars. */
const PACE: Pace<string> = {
  first: 'pace/first',
  second: 'pace/second',
  epsilon: 'epsilon',
  rate: 'rate',
  keep: 'keep',
}

const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) })
