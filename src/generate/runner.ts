/** A model's two sessions, prefill and burst, behind plain calls on host data. */

import { fuseTransposes } from '../graph/fuse.ts'
import type { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import type { HostTensor, Session, SessionOptions } from '../graph/session.ts'
import { openSession } from '../graph/session.ts'
import { buildBurst, recentOf } from './burst.ts'
import { type Layout, Packer, type Piece } from './cache.ts'
import { cacheNames, type Parts } from './forward.ts'
import { buildPrefill, pastOf, presentOf } from './prefill.ts'
import type { Choice } from './sampler.ts'

export interface Prompt {
  /** Token ids, one at least. */
  ids: number[]
  /** (N, C, H, W) */
  pixels?: HostTensor
}

/** A row of a batch: the cache so far (without `last`) and what comes next. */
export interface RowState {
  cache: Piece[]
  last: number
  /** Position of `last`. */
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
      const pixels = joinPixels(prompts)
      if (length === 0) return prompts.map(() => ({ tensors: [], row: 0, width: 0, from: 0, length: 0 }))
      const opened = await session(pixels ? 'images' : 'text', () => buildPrefill(parts, pixels !== undefined))
      const made = await opened.run({ ...promptFeeds(prompts, length), ...(pixels && { pixel_values: pixels }) })
      const tensors = names.map(i => made[presentOf(i)].data)
      return prompts.map(({ ids }, row) => {
        const own = ids.length - 1
        return { tensors, row, width: length, from: length - own, length: own }
      })
    },

    async burst(rows, steps) {
      const opened = await session('burst', () => buildBurst(parts, eos, choice))
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
        caches: rows.map(({ position }, row) => [
          { tensors: packed, row, width, from: width - position, length: position },
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

/** Left-padded ids, mask and positions of prompts without their last tokens; (B, T) each. */
function promptFeeds(prompts: Prompt[], length: number): Record<string, HostTensor> {
  const [ids, mask, positions] = [0, 0, 1].map(fill => new BigInt64Array(prompts.length * length).fill(BigInt(fill)))
  prompts.forEach((prompt, row) => {
    const own = prompt.ids.length - 1
    const start = (row + 1) * length - own
    for (let i = 0; i < own; i++) {
      ids[start + i] = BigInt(prompt.ids[i])
      mask[start + i] = 1n
      positions[start + i] = BigInt(i)
    }
  })
  const shape = [prompts.length, length]
  return {
    input_ids: int64(shape, ids),
    attention_mask: int64(shape, mask),
    position_ids: int64(shape, positions),
  }
}

function rowFeeds(rows: RowState[], width: number): Record<string, HostTensor> {
  const mask = new BigInt64Array(rows.length * width)
  rows.forEach(({ position }, row) => {
    mask.fill(1n, (row + 1) * width - position, (row + 1) * width)
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

/** The pictures of all prompts, in order; undefined where there are none. */
function joinPixels(prompts: Prompt[]): HostTensor | undefined {
  const parts = prompts.flatMap(({ pixels }) => pixels ?? [])
  if (parts.length < 2) return parts[0]
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let at = 0
  for (const part of parts) {
    data.set(part.data as Float32Array, at)
    at += part.data.length
  }
  const count = parts.reduce((sum, part) => sum + part.shape[0], 0)
  return { dtype: 'float32', shape: [count, ...parts[0].shape.slice(1)], data }
}
