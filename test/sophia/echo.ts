/** A generator without a model: what it says is a hash of what it was asked. Counts how it was used. */
import type { Failure, Generated, Generator, Request } from '../../src/generate/types.ts'
import { uniform } from '../../src/random.ts'

export interface Echo extends Generator {
  /** Sizes of the windows that were asked for. */
  windows: number[]
  /** All requests, in order. */
  requests: Request[]
  /** Answers that were taken. */
  taken: number
}

/** @param fails decides which requests fail */
export function echo(window: number, fails: (request: Request) => boolean = () => false): Echo {
  const made: Echo = {
    window,
    windows: [],
    requests: [],
    taken: 0,
    async *generate(requests: Request[]): AsyncGenerator<Generated | Failure> {
      made.windows.push(requests.length)
      made.requests.push(...requests)
      for (const request of requests) {
        made.taken++
        if (fails(request)) yield { error: { code: 'broken', message: 'it broke', retryable: true } }
        else {
          const draw = uniform(0, ...request.keys)
          yield { text: `said ${draw}`, tokens: Math.floor(draw * 100), finish: 'stop', logprob: -draw }
        }
      }
    },
    async close() {},
  }
  return made
}
