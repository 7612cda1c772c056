/**
 * The engine that is elsewhere: requests go to an OpenAI-compatible server, and what comes back is what the embedded
 * engine would have given. Samples of one prompt are asked for together.
 */
import { setMaxListeners } from 'node:events'
import type { Failure, Generated, Generator, Request, Sampling } from '../types.ts'
import { Dialect } from './body.ts'
import type { Choice, Completion } from './completion.ts'
import { Fault, isRefusal } from './fault.ts'
import { Server, type ServerOptions } from './server.ts'

export type { ServerOptions } from './server.ts'

export interface RemoteOptions {
  model: string
  sampling: Sampling
  server: ServerOptions
  /** Ask for log-probabilities. */
  logprobs?: boolean
}

/** Pieces of work under way for each request that is: while an old one takes long, new ones go on. */
const AHEAD = 8

/** @throws UserError */
export function openaiGenerator({ model, sampling, server: options, logprobs = false }: RemoteOptions): Generator {
  const dialect = new Dialect(model, sampling, logprobs, options.extra ?? {})
  const server = new Server(options, dialect)

  /** The answers to requests that share their messages and pictures: together where the server can, else one by one. */
  async function answer(requests: Request[], signal: AbortSignal): Promise<(Generated | Failure)[]> {
    const answers: (Generated | Failure | undefined)[] = requests.map(() => undefined)
    const several = requests.length > 1 && sampling.temperature > 0
    if (several) {
      const together = await ask(requests[0], signal, requests.length)
      if (!(together instanceof Fault)) {
        if (together.choices.size === 1) dialect.many = false // it does not know n, and does not say so
        for (const [i, choice] of generatedIn(together)) if (i < requests.length) answers[i] = choice
      } else if (!isRefusal(together)) return requests.map(() => failure(together))
      else {
        // Is it the number that is refused, or the question? One alone tells.
        const alone = await ask(requests[0], signal, 1, true)
        if (alone instanceof Fault) return requests.map(() => failure(alone))
        dialect.many = false
        answers[0] = only(alone)
      }
    }
    return Promise.all(
      answers.map(async (there, i) => {
        if (there) return there
        const made = await ask(requests[i], signal, 1, several)
        return made instanceof Fault ? failure(made) : only(made)
      }),
    )
  }

  function ask(request: Request, signal: AbortSignal, n: number, again = false): Promise<Completion | Fault> {
    return server.ask({ ...request, n, again }, signal).catch(error => {
      if (error instanceof Fault) return error
      throw error
    })
  }

  async function* generate(requests: Request[]): AsyncGenerator<Generated | Failure> {
    const stop = new AbortController()
    setMaxListeners(0, stop.signal)
    const groups = grouped(requests).map(group => answer(group, stop.signal))
    for (const group of groups) group.catch(() => {}) // told when its turn comes
    try {
      for (const group of groups) yield* await group
    } finally {
      stop.abort()
    }
  }
  return {
    window: Number.POSITIVE_INFINITY,
    ahead: AHEAD * options.concurrency,
    generate,
    close: async () => server.close(),
  }
}

/** Neighbours with the same messages and pictures. */
function grouped(requests: Request[]): Request[][] {
  const groups: Request[][] = []
  for (const request of requests) {
    const last = groups.at(-1)?.[0]
    if (last && alike(last, request)) groups.at(-1)!.push(request)
    else groups.push([request])
  }
  return groups
}

const alike = (a: Request, b: Request) =>
  a.messages === b.messages &&
  a.images.length === b.images.length &&
  a.images.every((image, i) => image === b.images[i])

/**
 * What the choices of a completion are to the stages. The server tells the tokens of all choices together: they are
 * dealt out by scored tokens where there are such, else by the pieces of the stream, else by length.
 */
function generatedIn({ choices, tokens }: Completion): Map<number, Generated | Failure> {
  const all = [...choices]
  const scored = all.every(([, { scored }]) => scored > 0)
  const pieces = all.every(([, { pieces }]) => pieces > 0)
  const sizes = all.map(([, choice]) =>
    scored ? choice.scored : pieces ? choice.pieces : (choice.content.length + choice.reasoning.length) / 4,
  )
  const sum = sizes.reduce((a, b) => a + b, 0)
  const share = (i: number) => {
    if (tokens === undefined || (scored && all.length > 1)) return Math.ceil(sizes[i])
    return all.length === 1 ? tokens : sum === 0 ? 0 : Math.round((tokens * sizes[i]) / sum)
  }
  return new Map(all.map(([index, choice], i) => [index, generated(choice, share(i))]))
}

const only = (completion: Completion) => [...generatedIn(completion).values()][0]

function generated(choice: Choice, tokens: number): Generated | Failure {
  const { finish, scored, logprob } = choice
  if (finish === 'content_filter')
    return failure(new Fault('filtered', 'the server holds the answer back (finish_reason content_filter)', 'no'))
  return {
    text: textOf(choice),
    tokens,
    finish: finish === 'length' ? 'length' : 'stop',
    logprob: scored > 0 ? logprob : Number.NaN,
  }
}

/**
 * Thought and answer as a model writes them: the thought in its tags. It is left open where no answer follows: the
 * tokens ran out, or the model stopped in the middle of it.
 */
export function textOf({ content, reasoning }: Choice): string {
  if (reasoning.trim() === '' || /<\/?think>/.test(content)) return content
  const open = `<think>\n${reasoning.trim()}`
  return content.trim() === '' ? open : `${open}\n</think>\n\n${content.trimStart()}`
}

const failure = ({ code, message, retryable }: Fault): Failure => ({ error: { code, message, retryable } })
