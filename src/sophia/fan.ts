/**
 * One row in, several samples out: what caption and reason have in common. Requests go to the generator a window at a
 * time; the samples come back with their row, all of them or an error, never some.
 */
import { UserError } from '../errors.ts'
import type { Failure, Generated, Generator, Request } from '../generate/types.ts'
import { fail, type Row } from './rows.ts'

/** Why no request can be made for a row. */
export interface Refusal {
  code: string
  message: string
}

/** The encoded pictures of a row, or why they cannot be had. */
export async function pictures(row: Row, load: (row: Row) => Promise<Uint8Array[]>): Promise<Uint8Array[] | Refusal> {
  try {
    return await load(row)
  } catch (error) {
    if (error instanceof UserError) return { code: 'image', message: error.message }
    throw error
  }
}

/**
 * For each of `rows`, in order: the row and its samples, or the row with an error. `ask` gives the requests for a row;
 * `null` lets the row through without samples.
 */
export async function* fan(
  stage: string,
  rows: AsyncIterable<Row> | Iterable<Row>,
  generator: Generator,
  ask: (row: Row) => Promise<Request[] | Refusal | null>,
): AsyncGenerator<{ row: Row; samples?: Generated[] }> {
  const asked: { row: Row; requests: Request[] | Refusal | null }[] = []
  for await (const row of rows) asked.push({ row, requests: await ask(row) })
  const answers = generate(
    asked.flatMap(({ requests }) => (Array.isArray(requests) ? requests : [])),
    generator,
  )
  try {
    for (const { row, requests } of asked) {
      if (requests === null) yield { row }
      else if (!Array.isArray(requests)) yield { row: fail(row, stage, requests.code, requests.message) }
      else {
        const got: (Generated | Failure)[] = []
        while (got.length < requests.length) {
          const { done, value } = await answers.next()
          if (done) throw new Error(`the generator gave ${got.length} answers to ${requests.length} requests`)
          got.push(value)
        }
        const failure = got.find(answer => 'error' in answer)
        if (failure) {
          const { code, message, retryable } = failure.error
          yield { row: fail(row, stage, code, message, retryable) }
        } else yield { row, samples: got as Generated[] }
      }
    }
  } finally {
    await answers.return(undefined)
  }
}

async function* generate(requests: Request[], generator: Generator): AsyncGenerator<Generated | Failure> {
  for (let at = 0; at < requests.length; at += generator.window)
    yield* generator.generate(requests.slice(at, at + generator.window))
}
