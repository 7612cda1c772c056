/**
 * Taking up a run that was cut off. The journal (F.part) is read once, beside the input: each window of input rows is
 * held against the rows that stand there for it. A window that is all there is passed over; the first one that is not
 * is made again, and its rows that are there already are dropped, so that the whole is what it would have been.
 */
import { createReadStream, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { UserError } from '../errors.ts'
import { readJsonl } from './jsonl.ts'
import { errorOf, idOf, type Row } from './row.ts'

export interface Plan {
  /** The row goes through as it is: one row in, one row out. */
  passes(row: Row): boolean
  /** `output` is the last one that its input row gave. */
  last(output: Row): boolean
  /** An input row may give no output at all; rows of one id then all give some, or none does. */
  skips?: boolean
}

/** Cuts a torn last line off the journal at `path`. */
export async function mend(path: string): Promise<void> {
  const file = await open(path, 'r')
  const buffer = Buffer.alloc(1 << 16)
  let end = (await file.stat()).size
  const size = end
  for (let found = -1; end > 0 && found < 0; ) {
    const start = Math.max(0, end - buffer.length)
    await file.read(buffer, 0, end - start, start)
    found = buffer.subarray(0, end - start).lastIndexOf(10)
    end = found < 0 ? start : start + found + 1
  }
  await file.close()
  if (end < size) truncateSync(path, end)
}

export class Journal {
  /** Rows met so far. */
  rows = 0
  private readonly journal: AsyncGenerator<Row[]>
  private batch: Row[] = []
  private at = 0
  private told = 0

  /** @param seen is told every row that stands in the journal */
  constructor(
    private readonly path: string,
    private readonly plan: Plan,
    private readonly seen: (row: Row) => void = () => {},
  ) {
    this.journal = readJsonl(createReadStream(path, { highWaterMark: 1 << 18 }), path)
  }

  /** How many output rows of `window` are there, and whether that is all of them. */
  async match(window: Row[]): Promise<{ rows: number; whole: boolean }> {
    const before = this.rows
    for (const input of window) {
      for (let last = false; !last; ) {
        const output = await this.next()
        if (!output) return { rows: this.rows - before, whole: false }
        if (idOf(output) !== idOf(input) && this.plan.skips) {
          this.rows--
          this.at--
          break
        }
        if (idOf(output) !== idOf(input))
          throw new UserError(
            `${this.path}:${this.rows}: expected a row of id ${idOf(input)}, got ${idOf(output)}: it was not made from ` +
              'this input with these flags. Give the same command as before, or remove it',
          )
        last = this.plan.passes(input) || errorOf(output) !== undefined || this.plan.last(output)
      }
    }
    return { rows: this.rows - before, whole: true }
  }

  /** @throws UserError if the journal goes on after the input has ended. */
  async end(): Promise<void> {
    if (await this.next())
      throw new UserError(`${this.path}:${this.rows}: more rows than this input gives. Give the same command as before`)
  }

  private async next(): Promise<Row | undefined> {
    while (this.at >= this.batch.length) {
      const { done, value } = await this.journal.next()
      if (done) return undefined
      this.batch = value
      this.at = 0
    }
    this.rows++
    const row = this.batch[this.at++]
    if (this.rows > this.told) this.seen(row)
    this.told = Math.max(this.told, this.rows)
    return row
  }
}
