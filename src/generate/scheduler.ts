/**
 * Continuous batching inside a window: rows are admitted as others end, in order of request, shortest rows run first, and everything that
 * happens follows from the window's requests alone, so that a run taken up again writes the same text.
 * Equal prompts (captions of one picture, trajectories of one caption) are prefilled once.
 */

import type { Piece } from './cache.ts'
import type { Prompt, RowState, Runner } from './runner.ts'

export interface Work {
  prompt: Prompt
  /** Equal for equal prompts. */
  same: string
  /** New tokens at most, 1 at least. */
  budget: number
  /** The row's own uniforms in [0, 1), one a new token. */
  draw: () => number
}

export interface Done {
  /** The stop token included. */
  tokens: number[]
  logprob: number
}

export interface Shape {
  /** Rows at once. */
  batch: number
  /** Tokens a burst at most. */
  steps: number
  /** Rows run together that differ in length by no more than this: the rest of a cache is padding, which is read too. */
  slack: number
  /** New rows are admitted when fewer than this would run. */
  low: number
}

/**
 * On a CPU a step costs what its rows' caches weigh, so rows of like length run together, and the batch may run low.
 * On a GPU it costs about the same however many rows there are, so the batch is kept full.
 */
export const shapeFor = (device: string, batch: number): Shape =>
  device === 'cpu'
    ? { batch, steps: 16, slack: 32, low: Math.ceil(batch / 4) }
    : { batch, steps: 32, slack: Number.POSITIVE_INFINITY, low: Math.ceil((batch * 7) / 8) }

interface Row extends RowState {
  index: number
  draw: () => number
  done: Done
}

/**
 * Answers in the order of `work`, each as soon as those before it are there. Stopping the iteration stops the work; so
 * does `stop`, which is asked before every burst.
 */
export async function* schedule(
  work: Work[],
  runner: Runner,
  eos: number[],
  shape: Shape,
  stop: () => boolean = () => false,
): AsyncGenerator<Done> {
  const stops = new Set(eos)
  const results: (Done | undefined)[] = work.map(() => undefined)
  const prompts = new Prompts(work, runner)
  let rows: Row[] = []
  let [admitted, yielded] = [0, 0]
  while (yielded < work.length && !stop()) {
    let running = alike(rows, shape)
    if (running.length < shape.low && admitted < work.length) {
      const caches = await prompts.take(admitted, shape.batch - running.length)
      for (const cache of caches) rows.push(begin(work[admitted], admitted++, cache))
      running = alike(rows, shape)
    }
    for (const row of running) row.uniforms = Float32Array.from({ length: shape.steps }, () => uniform24(row.draw()))

    const { tokens, logprobs, caches: after } = await runner.burst(running, shape.steps)
    running.forEach((row, i) => {
      row.done.tokens.push(...tokens[i])
      row.done.logprob += logprobs[i].reduce((a, b) => a + b, 0)
      row.budget -= tokens[i].length
      row.position += tokens[i].length
      row.length += tokens[i].length
      row.last = tokens[i].at(-1)!
      row.cache = after[i]
      if (row.budget === 0 || stops.has(row.last)) results[row.index] = row.done
    })
    rows = rows.filter(row => !results[row.index])
    for (; results[yielded]; yielded++) yield results[yielded]!
    await turn()
  }
}

/** The rows that run next: the shortest, which so catch up with the others, and those of like length. */
function alike(rows: Row[], { batch, slack }: Shape): Row[] {
  const byLength = rows.toSorted((a, b) => a.length - b.length || a.index - b.index)
  const limit = byLength[0]?.length + slack
  return byLength.slice(0, batch).filter(row => row.length <= limit)
}

const begin = (work: Work, index: number, cache: Piece): Row => ({
  index,
  cache: cache.length ? [cache] : [],
  last: work.prompt.ids.at(-1)!,
  length: work.prompt.ids.length - 1,
  position: work.prompt.positions?.[0].at(-1) ?? work.prompt.ids.length - 1,
  budget: work.budget,
  draw: work.draw,
  uniforms: new Float32Array(0),
  done: { tokens: [], logprob: 0 },
})

/** Rounded down to 24 bits, so that it is below 1 in float32 too. */
const uniform24 = (u: number) => Math.floor(u * 2 ** 24) / 2 ** 24

/** Lets signals and closed pipes be noticed: a run blocks the event loop. */
const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Prompts are prefilled when the first of their rows is admitted and kept until the last one is. */
class Prompts {
  private readonly uses = new Map<string, number>()
  private readonly caches = new Map<string, Piece>()

  constructor(
    private readonly work: Work[],
    private readonly runner: Runner,
  ) {
    for (const { same } of work) this.uses.set(same, (this.uses.get(same) ?? 0) + 1)
  }

  async take(start: number, count: number): Promise<Piece[]> {
    const taken = this.work.slice(start, start + count)
    const fresh = new Map(taken.filter(({ same }) => !this.caches.has(same)).map(({ same, prompt }) => [same, prompt]))
    if (fresh.size > 0) {
      const made = await this.runner.prefill([...fresh.values()])
      ;[...fresh.keys()].forEach((same, i) => {
        this.caches.set(same, made[i])
      })
    }
    return taken.map(({ same }) => {
      const cache = this.caches.get(same)!
      const left = this.uses.get(same)! - 1
      this.uses.set(same, left)
      if (left === 0) this.caches.delete(same)
      return cache
    })
  }
}
