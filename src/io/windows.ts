/**
 * Rows in windows. A window is what a stage works on at once and what --resume redoes at most: nothing that a stage
 * makes depends on a row outside its window.
 */
import { UserError } from '../errors.ts'
import { idOf, type Row } from './row.ts'

export type Batches = AsyncIterable<Row[]> | Iterable<Row[]>

/** Windows of `size` rows that are to be worked on; rows that only pass through ride along and are not counted. */
export async function* bySize(batches: Batches, size: number, passes: (row: Row) => boolean): AsyncGenerator<Row[]> {
  let window: Row[] = []
  let counted = 0
  for await (const batch of batches) {
    for (const row of batch) {
      window.push(row)
      if (passes(row) ? window.length >= 4096 + size : ++counted >= size) {
        yield window
        window = []
        counted = 0
      }
    }
  }
  if (window.length > 0) yield window
}

/** Windows of all rows of one problem, which have to stand together. @throws UserError where they do not. */
export async function* byProblem(batches: Batches): AsyncGenerator<Row[]> {
  const seen = new Set<string>()
  let window: Row[] = []
  let id = ''
  for await (const batch of batches) {
    for (const row of batch) {
      const next = idOf(row)
      if (window.length > 0 && next !== id) {
        yield window
        window = []
      }
      if (window.length === 0) {
        if (seen.has(next))
          throw new UserError(
            `id ${next}: its rows do not stand together: some came before, then rows of ${id}, now more of ${next}. ` +
              'Bring them together first (sort by id), or give different problems different ids',
          )
        seen.add(next)
        id = next
      }
      window.push(row)
    }
  }
  if (window.length > 0) yield window
}
