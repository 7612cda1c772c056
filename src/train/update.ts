/**
 * The end of a step: the gradient is clipped and AdamW moves every tensor, a piece at a time and in place, so that
 * nothing beside weights, gradients and moments is held. Runs on the CPU, where all four lie.
 */

import { Graph, sizeOf } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession, type Session } from '../graph/session.ts'
import { loadTensor } from '../models/safetensors.ts'
import { type AdamW, adamwStep, clipFactor, corrections } from './adamw.ts'
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

/** Elements of a piece. */
const PIECE = 1 << 22

export class Updater {
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
    const { correction1, correction2 } = corrections(this.options.betas, t)
    let [moved, from] = [0, 0]
    for (const { start, decays, weight, gradient, first, second } of tensors) {
      const scalars = { norm, unscale, lr, correction1, correction2, decay: decays ? this.options.weightDecay : 0 }
      const same = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, float32([], value)]))
      const size = sizeOf(start.shape)
      for (let at = 0; at < size; at += PIECE) {
        const to = Math.min(size, at + PIECE)
        const piece = (all: Float32Array): HostTensor => ({ dtype: 'float32', shape: [to - at], data: all.subarray(at, to) }) // biome-ignore format: one thought
        const feeds = {
          ...same,
          weight: piece(weight),
          gradient: piece(gradient),
          first: piece(first),
          second: piece(second),
          start: await this.origin(start, at, to),
        }
        const made = await this.session.run(feeds)
        weight.set(made['next/weight'].data as Float32Array, at)
        first.set(made['next/first'].data as Float32Array, at)
        second.set(made['next/second'].data as Float32Array, at)
        moved += Number(made.moved.data[0])
        from += Number(made.from.data[0])
      }
    }
    return Math.sqrt(moved / from)
  }

  close(): Promise<void> {
    return this.session.close()
  }

  /** Elements `at` to `to` of what a tensor was at the start of the run. */
  private async origin(start: Trained['start'], at: number, to: number): Promise<HostTensor> {
    const width = ('data' in start ? start.data.length : start.length) / sizeOf(start.shape)
    const part = { dtype: start.dtype, shape: [to - at] }
    const [offset, length] = [at * width, (to - at) * width]
    if ('data' in start) return loadTensor({ ...part, data: start.data.subarray(offset, offset + length) }, '', true)
    return loadTensor({ ...part, file: start.file, offset: start.offset + offset, length }, this.folder, true)
  }
}

/** One piece: (n,) each of weight, gradient, first, second and start, and scalars → the same moved on, and how far. */
function build(options: UpdateOptions): Graph {
  const g = new Graph('update')
  const [weight, gradient, first, second, start] = ['weight', 'gradient', 'first', 'second', 'start'].map(name => g.input(name, 'float32', ['n'])) // biome-ignore format: one thought
  const [norm, unscale, lr, correction1, correction2, decay] = ['norm', 'unscale', 'lr', 'correction1', 'correction2', 'decay'].map(name => g.input(name, 'float32', [])) // biome-ignore format: one thought
  const factor = g.op('Mul', [clipFactor(g, norm, options.clip), unscale])
  const pace = { lr, correction1, correction2, decay }
  const next = adamwStep(g, { weight, gradient, first, second }, factor, pace, options)
  for (const [name, value] of Object.entries(next)) g.output(value, `next/${name}`)
  const square = (x: string) => g.op('ReduceSumSquare', [x], { keepdims: 0 })
  g.output(square(g.op('Sub', [next.weight, start])), 'moved')
  g.output(square(start), 'from')
  return g
}

const float32 = (shape: number[], value: number): HostTensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.of(value),
})
