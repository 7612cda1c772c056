/**
 * A user's own scorer in reward's seat: one process for the whole run, in any language, that reads rows as JSON lines
 * and answers one line a row, in their order. Only the verdict is taken from an answer; the row stays ours. Leaves out
 * starting a dead scorer again: nobody knows what it held, and --resume takes up where it died.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { UserError } from '../errors.ts'
import { textOf, without } from '../io/row.ts'
import { captionOf, errorOf, extend, idOf, type Row, type Verdict } from './rows.ts'

/** Rows that are asked and not yet answered, at most. */
const inFlight = 256
/** Characters of one answer, at most: it may be the whole row, pictures included. */
const longest = 1 << 28
/** Milliseconds that a scorer may take to end after its last row. */
const farewell = 10_000
const expected = '0 or 1, {"reward": 0 or 1, "answer"?, "reason"?}, or the row with such a "verdict"'

export class Scorer {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>
  private readonly lines: AsyncGenerator<string>
  /** How it ended, once it has. */
  private readonly ended: Promise<string>
  private readonly timer: NodeJS.Timeout
  private waiting: Row | undefined
  private answered = 0
  private noted = false
  /** Answers may still be on their way: it is not to be listened to any more. */
  private broken = false

  /**
   * Starts `command` in a shell.
   * @param patience milliseconds after which `note` is told, once, which row we wait for
   */
  constructor(
    command: string,
    patience = 30_000,
    note: (text: string) => unknown = text => process.stderr.write(`${text}\n`),
  ) {
    // Python would hold its answers back until a block is full, while we wait for the first.
    const env = { PYTHONUNBUFFERED: '1', ...process.env }
    this.child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'], env })
    this.child.stdin.on('error', () => {}) // it is gone: told when its answers end
    this.ended = new Promise(done => {
      this.child.once('error', error => done(`could not be started: ${error.message}`))
      this.child.once('exit', (code, signal) =>
        done(signal ? `was ended by ${signal}` : `ended with exit code ${code}`),
      )
    })
    this.lines = linesOf(this.child.stdout)
    this.timer = setTimeout(() => {
      if (!this.waiting) return
      this.noted = true
      note(
        `--reward-command: waiting for the answer to ${nameOf(this.waiting)}. A scorer has to write out each answer ` +
          'before it waits for the next row (flush; stdbuf -oL sed, jq --unbuffered)',
      )
    }, patience).unref()
  }

  /**
   * Each of `rows` with its verdict, in their order. Rows with an error pass and are not asked.
   * @throws UserError where the scorer dies, or answers with anything else than a verdict
   */
  async *score(rows: Row[]): AsyncGenerator<Row> {
    const { stdin } = this.child
    let asked = 0
    let whole = false
    try {
      for (const [i, row] of rows.entries()) {
        // Never waits for the pipe to drain: a scorer that is slow to read is also one whose answer we wait for.
        while (asked < rows.length && asked - i < inFlight && (asked <= i || !stdin.writableNeedDrain)) {
          const next = rows[asked++]
          // Without the verdict of an earlier run, or a scorer that only echoes would seem to agree with it.
          if (!errorOf(next)) stdin.write(`${textOf('verdict' in next ? without(next, 'verdict') : next)}\n`)
        }
        yield errorOf(row) ? row : extend(row, 'verdict', await this.verdict(row))
      }
      whole = true
    } finally {
      this.broken ||= !whole
    }
  }

  /** No more rows: lets the scorer end. @throws UserError if it has answered more lines than there were rows */
  async close(): Promise<void> {
    const { child } = this
    clearTimeout(this.timer)
    const stop = () => {
      child.stdin.destroy()
      child.stdout.destroy()
      child.kill()
      child.unref()
    }
    if (this.broken) return stop()
    child.stdin.end()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(done => {
      timer = setTimeout(() => done(stop()), farewell)
    })
    try {
      const { value: line } = await this.lines.next()
      if (line !== undefined)
        throw new UserError(
          `--reward-command: expected one line a row, got a line more than the ${this.answered} rows: ${shorten(line)}. ` +
            'Verdicts may stand with the wrong rows: mend the scorer, remove the output and judge again',
        )
      await Promise.race([this.ended, late])
    } catch (error) {
      if (error instanceof UserError) throw error // else: it did not end in time and was stopped
    } finally {
      clearTimeout(timer)
      stop()
    }
  }

  private async verdict(row: Row): Promise<Verdict> {
    this.waiting = row
    if (!this.noted) this.timer.refresh()
    const { value: line } = await this.lines.next()
    this.waiting = undefined
    if (line === undefined) throw await this.death(row)
    const made = read(line, row)
    this.answered++
    return made
  }

  private async death(row: Row): Promise<UserError> {
    const alive = new Promise<string>(done => setTimeout(done, 1000, 'closed its output').unref())
    const how = await Promise.race([this.ended, alive])
    return new UserError(
      `--reward-command: ${nameOf(row)}: expected a line with ${expected}, but the command ${how} after ` +
        `${this.answered} answers. What is judged so far is kept with -o FILE: mend the command and go on with --resume`,
    )
  }
}

/** The verdict in one line of answer. @throws UserError */
function read(line: string, row: Row): Verdict {
  const refuse = (what: string, got = line) =>
    new UserError(`--reward-command: ${nameOf(row)}: expected ${what}, got ${shorten(got)}`)
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw refuse(`one line of JSON (${expected}; what is for people goes to standard error)`)
  }
  if (isObject(value) && 'verdict' in value) {
    // Parts that it does not repeat are not compared.
    const differs = placeOf(value).some((part, i) => part !== undefined && part !== placeOf(row)[i])
    if (differs) throw refuse('the answers in the order of the rows', nameOf(value))
    value = value.verdict
  }
  if (typeof value === 'number') value = { reward: value }
  if (!isObject(value) || Object.keys(value).some(key => !['reward', 'answer', 'reason'].includes(key)))
    throw refuse(expected)
  const { reward, answer = null, reason } = value
  if (reward !== 0 && reward !== 1) throw refuse(`a reward of 0 or 1, which is what propagate counts (${expected})`)
  return {
    reward,
    answer: answer === null || typeof answer === 'string' ? answer : JSON.stringify(answer),
    reason: typeof reason === 'string' ? reason : reward === 1 ? 'right' : 'wrong',
  }
}

/** Which row: id, caption, trajectory; undefined where it has none of its own. */
function placeOf(row: Row): (string | undefined)[] {
  const trajectory = row.trajectory as { index?: number } | string | null | undefined
  const index = typeof trajectory === 'object' ? trajectory?.index : undefined
  const caption = isObject(row.caption) ? captionOf(row)?.index : undefined
  return [row.id, caption, index].map(part => (part === undefined || part === null ? undefined : String(part)))
}

function nameOf(row: Row): string {
  const [, caption, trajectory] = placeOf(row)
  return `row ${idOf(row)}${caption ? `, caption ${caption}` : ''}${trajectory ? `, trajectory ${trajectory}` : ''}`
}

/** Lines as they come, read no faster than they are asked for. Empty ones are passed over. */
async function* linesOf(output: Readable): AsyncGenerator<string> {
  let pieces: string[] = [] // of a line that is longer than a chunk
  let length = 0
  for await (const chunk of output.setEncoding('utf8') as AsyncIterable<string>) {
    let start = 0
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      pieces.push(chunk.slice(start, end))
      start = end + 1
      const line = pieces.join('').trim()
      pieces = []
      length = 0
      if (line !== '') yield line
    }
    pieces.push(chunk.slice(start))
    length += chunk.length - start
    if (length > longest)
      throw new UserError(`--reward-command: expected lines, got ${length} characters without an end of line`)
  }
  const line = pieces.join('').trim()
  if (line !== '') yield line
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
