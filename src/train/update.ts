/**
 * The end of a step: the gradient is clipped and AdamW moves every tensor, a piece at a time and in place, so that
 * nothing beside weights, gradients and moments is held. Runs on the CPU, where all four lie.
 */

import { Graph, sizeOf } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession, type Session } from '../graph/session.ts'
import { loadTensor } from '../models/safetensors.ts'
import { type AdamW, adamwStep, clipFactor, type Pace, paceOf } from './adamw.ts'
import type { Trained } from './step.ts'

export interface UpdateOptions extends AdamW {
  /** The greatest gradient norm; 0: no clipping. */
  clip: number
}

/** What belongs to one trained tensor; all but the gradient are changed. */
export interface Slots {
  weight: Float32Array
  gradient: Float32Array
  first: Float32Array
  second: Float32Array
}

/** Elements that are read from a file at once. */
const CHUNK = 1 << 20
/** Elements that are worked on at once: what is computed of them stays in a core's cache. */
const PIECE = 1 << 17

export class Updater {
  /** ‖θ₀‖², once it is known. */
  private from?: number
  /** What `origin` reads into. */
  private readonly room = new Uint8Array(4 * CHUNK)

  private constructor(
    private readonly options: UpdateOptions,
    /** Where starting values lie in files. */
    private readonly folder: string,
    private readonly session: Session,
  ) {}

  static async open(options: UpdateOptions, folder: string, threads?: number): Promise<Updater> {
    return new Updater(options, folder, await openSession(modelOf(build(options)), { threads }))
  }

  /**
   * Step `t` = 1, 2, … with a gradient of norm `norm`, which is `unscale` times the ones that are given.
   *
   * @returns ‖θ − θ₀‖ / ‖θ₀‖ after it
   */
  async step(t: number, lr: number, norm: number, tensors: (Trained & Slots)[], unscale = 1): Promise<number> {
    const factor = clipFactor(norm, this.options.clip) * unscale
    let [moved, from] = [0, 0]
    for (const { start, decays, ...slots } of tensors) {
      const pace = paceOf(this.options, t, lr, factor, decays ? this.options.weightDecay : 0)
      const scalars = Object.fromEntries(
        Object.entries(PACE).map(([key, name]) => [name, scalar(pace[key as keyof Pace])]),
      )
      const size = sizeOf(start.shape)
      for (let at = 0; at < size; at += CHUNK) {
        const origin = await this.origin(start, at, Math.min(size, at + CHUNK))
        if (this.from === undefined) for (const x of origin) from += x * x
        moved += await this.chunk(scalars, slots, at, origin)
      }
    }
    this.from ??= from
    return Math.sqrt(moved / this.from)
  }

  close(): Promise<void> {
    return this.session.close()
  }

  /** Moves the elements from `offset` on, as many as there are in `origin`. @returns ‖θ − θ₀‖² of them */
  private async chunk(scalars: Record<string, HostTensor>, slots: Slots, offset: number, origin: Float32Array) {
    let moved = 0
    for (let at = 0; at < origin.length; at += PIECE) {
      const size = Math.min(PIECE, origin.length - at)
      const piece = (all: Float32Array, from: number): HostTensor => ({ dtype: 'float32', shape: [size], data: all.subarray(from, from + size) }) // biome-ignore format: one thought
      const [weight, first, second] = [slots.weight, slots.first, slots.second].map(all => piece(all, offset + at))
      const feeds = { weight, gradient: piece(slots.gradient, offset + at), first, second, start: piece(origin, at) }
      const into = { 'next/weight': weight, 'next/first': first, 'next/second': second, moved: null }
      const made = await this.session.run({ ...scalars, ...feeds }, into)
      moved += Number(made.moved.data[0])
    }
    return moved
  }

  /** Elements `at` to `to` of what a tensor was at the start of the run. */
  private async origin(start: Trained['start'], at: number, to: number): Promise<Float32Array> {
    const width = ('data' in start ? start.data.length : start.length) / sizeOf(start.shape)
    const part = { dtype: start.dtype, shape: [to - at] }
    const [offset, length] = [at * width, (to - at) * width]
    const place =
      'data' in start
        ? { data: start.data.subarray(offset, offset + length) }
        : { file: start.file, offset: start.offset + offset, length }
    const found = await loadTensor({ ...part, ...place }, this.folder, true, this.room)
    return found.data as Float32Array
  }
}

/**
 * One piece: (n,) each of weight, gradient, first, second and start, and scalars → the same moved on, and how far.
 * Nothing reads an input after the output that takes its place is made.
 */
function build(options: UpdateOptions): Graph {
  const g = new Graph('update')
  const [weight, gradient, first, second, start] = ['weight', 'gradient', 'first', 'second', 'start'].map(name => g.input(name, 'float32', ['n'])) // biome-ignore format: one thought
  for (const name of Object.values(PACE)) g.input(name, 'float32', [])
  const next = adamwStep(g, { weight, gradient, first, second }, PACE, options)
  for (const [name, value] of Object.entries(next)) g.output(value, `next/${name}`)
  g.output(g.op('ReduceSumSquare', [g.op('Sub', [next.weight, start])], { keepdims: 0 }), 'moved')
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
