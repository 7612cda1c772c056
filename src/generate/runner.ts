/** A model's two sessions, prefill and burst, behind plain calls on host data. */

import { fuseTransposes } from '../graph/fuse.ts'
import type { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import type { HostTensor, Session, SessionOptions } from '../graph/session.ts'
import { openSession } from '../graph/session.ts'
import { joinVision, positionAxes, type Vision } from '../models/pictures/pictures.ts'
import { buildBurst, recentOf } from './burst.ts'
import { type Layout, Packer, type Piece } from './cache.ts'
import { cacheNames, type Parts } from './forward.ts'
import { buildPrefill, pastOf, presentOf } from './prefill.ts'
import type { Choice } from './sampler.ts'

export interface Prompt {
  /** Token ids, one at least. */
  ids: number[]
  vision?: Vision
  /** (axes, T), where they are not 0, 1, …, T-1 */
  positions?: number[][]
}

/** A row of a batch: the cache so far (without `last`) and what comes next. */
export interface RowState {
  cache: Piece[]
  last: number
  /** Tokens in the cache. */
  length: number
  /** Position of `last`: `length`, but for models whose pictures take up fewer positions than tokens. */
  position: number
  budget: number
  uniforms: Float32Array
}

export interface BurstResult {
  /** Tokens of each row, up to and with the one that ended it. */
  tokens: number[][]
  logprobs: number[][]
  /** The rows' caches after the burst (of no use where a row ended). */
  caches: Piece[][]
}

export interface Runner {
  /** The caches of prompts without their last tokens. */
  prefill(prompts: Prompt[]): Promise<Piece[]>
  burst(rows: RowState[], steps: number): Promise<BurstResult>
  close(): Promise<void>
}

export function openRunner(parts: Parts, eos: number[], choice: Choice, options: SessionOptions): Runner {
  const { dtype, shape } = parts.decoder.type(cacheNames(parts.decoder)[0])
  const count = cacheNames(parts.decoder).length
  const axes = positionAxes(parts.decoder)
  const layout: Layout = { dtype, count, heads: shape![1] as number, size: shape![3] as number }
  const packer = new Packer(layout)
  const sessions = new Map<string, Promise<Session>>()
  const session = (name: string, build: () => Graph) => {
    const found = sessions.get(name) ?? openFused(build(), options)
    sessions.set(name, found)
    return found
  }
  const names = Array.from({ length: count }, (_, i) => i)

  return {
    async prefill(prompts) {
      const length = Math.max(...prompts.map(prompt => prompt.ids.length - 1))
      const seen = prompts.flatMap(({ vision }) => (vision ? [vision] : []))
      if (length === 0) return prompts.map(() => ({ tensors: [], row: 0, width: 0, from: 0, length: 0 }))
      const opened = await session(seen.length ? 'images' : 'text', () => buildPrefill(parts, seen.length > 0))
      const made = await opened.run({ ...promptFeeds(prompts, length, axes), ...(seen.length > 0 && joinVision(seen)) })
      const tensors = names.map(i => made[presentOf(i)].data)
      return prompts.map(({ ids }, row) => {
        const own = ids.length - 1
        return { tensors, row, width: length, from: length - own, length: own }
      })
    },

    async burst(rows, steps) {
      const opened = await session('burst', () =>
        buildBurst({ ...parts, decoder: parts.next ?? parts.decoder }, eos, choice),
      )
      const { tensors, width } = packer.pack(rows.map(row => row.cache))
      const made = await opened.run({
        steps: { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(steps)) },
        ...rowFeeds(rows, width),
        ...(choice.temperature !== 0 && { uniforms: uniformFeed(rows, steps) }),
        ...Object.fromEntries(tensors.map((tensor, i) => [pastOf(i), tensor])),
      })
      const taken = made.tokens.shape[0]
      const recent = names.map(i => made[recentOf(i)].data)
      const packed = tensors.map(tensor => tensor.data)
      const column = (data: ArrayLike<number | bigint>, row: number) =>
        Array.from({ length: taken }, (_, i) => Number(data[i * rows.length + row]))
      const tokens = rows.map((_, row) => column(made.tokens.data, row).filter(token => token >= 0))
      return {
        tokens,
        logprobs: rows.map((_, row) => column(made.logprobs.data, row).slice(0, tokens[row].length)),
        caches: rows.map(({ length }, row) => [
          { tensors: packed, row, width, from: width - length, length },
          { tensors: recent, row, width: taken, from: 0, length: taken },
        ]),
      }
    },

    async close() {
      for (const opened of sessions.values()) await (await opened).close()
    },
  }
}

function openFused(graph: Graph, options: SessionOptions): Promise<Session> {
  fuseTransposes(graph)
  return openSession(modelOf(graph), options)
}

const int64 = (shape: number[], data: BigInt64Array): HostTensor => ({ dtype: 'int64', shape, data })

/** Left-padded ids, mask (B, T) and positions ((axes,) B, T) of prompts without their last tokens. */
function promptFeeds(prompts: Prompt[], length: number, axes?: number): Record<string, HostTensor> {
  const size = prompts.length * length
  const [ids, mask] = [0, 0].map(() => new BigInt64Array(size))
  const places = new BigInt64Array(size * (axes ?? 1)).fill(1n)
  prompts.forEach((prompt, row) => {
    const own = prompt.ids.length - 1
    const start = (row + 1) * length - own
    for (let i = 0; i < own; i++) {
      ids[start + i] = BigInt(prompt.ids[i])
      mask[start + i] = 1n
      for (let axis = 0; axis < (axes ?? 1); axis++)
        places[axis * size + start + i] = BigInt(prompt.positions?.[axis][i] ?? i)
    }
  })
  const shape = [prompts.length, length]
  return {
    input_ids: int64(shape, ids),
    attention_mask: int64(shape, mask),
    position_ids: int64(axes ? [axes, ...shape] : shape, places),
  }
}

function rowFeeds(rows: RowState[], width: number): Record<string, HostTensor> {
  const mask = new BigInt64Array(rows.length * width)
  rows.forEach(({ length }, row) => {
    mask.fill(1n, (row + 1) * width - length, (row + 1) * width)
  })
  const column = (pick: (row: RowState) => number) =>
    int64(
      [rows.length],
      BigInt64Array.from(rows, row => BigInt(pick(row))),
    )
  return {
    last: column(row => row.last),
    position: column(row => row.position),
    budget: column(row => row.budget),
    mask: int64([rows.length, width], mask),
  }
}

/** (S, B) */
function uniformFeed(rows: RowState[], steps: number): HostTensor {
  const data = new Float32Array(steps * rows.length)
  rows.forEach(({ uniforms }, row) => {
    for (let i = 0; i < steps; i++) data[i * rows.length + row] = uniforms[i]
  })
  return { dtype: 'float32', shape: [steps, rows.length], data }
}
