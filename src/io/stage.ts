/**
 * Runs a stage: source → map → sink. All that the stages share is here and in the files beside it: order, windows,
 * resuming, shards, error rows, exit codes, signals, progress. What a stage does to its rows is in `sophia/`.
 */
import { existsSync } from 'node:fs'
import { UserError } from '../errors.ts'
import type { Format } from './formats.ts'
import { collect, inOrder } from './order.ts'
import { type Meter, startProgress } from './progress.ts'
import { Journal, mend, type Plan } from './resume.ts'
import { errorOf, idOf, type Row, without } from './row.ts'
import { inShard, type Shard } from './shard.ts'
import { journalOf, openSink } from './sink.ts'
import { openSource, readRows, type Source } from './source.ts'
import { type Batches, byProblem, bySize } from './windows.ts'

export interface Stage extends Plan {
  /** As the command and `error.stage` call it. */
  name: string
  /** What is worked on at once: so many rows, all rows of a problem, or whatever rows have come. */
  window: number | 'problem' | 'any'
  /** Windows that are worked on at once (1 where it is not said): more where the work is to wait for somebody else. */
  ahead?: number
  /** The stage itself: a pure function of the window's rows, in their order. */
  map(window: Row[]): AsyncIterable<Row> | Iterable<Row>
  /** What an output row tells the progress line. */
  meter?: Meter
  close?(): Promise<void>
}

export interface StageOptions {
  /** Path, or `-`, or where the rows come from instead of a file. */
  input: string | Source
  output: string
  from?: Format
  to?: Format
  resume?: boolean
  shard?: Shard
  limit?: number
  /** Try rows again whose error is of this stage. */
  retryErrors?: boolean
  quiet?: boolean
  /** Told each row of the output, also those that an earlier run wrote. */
  seen?: (row: Row) => void
}

/** Exit codes of the contract. */
export const exit = { done: 0, failed: 1, usage: 2, rowsFailed: 3, interrupted: 130 } as const

/**
 * Runs a stage to its end. `open` is called once the input and output are known to be there, since it may load a model.
 * @returns the exit code: 0, or 3 if some rows carry an error
 */
export async function runStage(
  name: string,
  options: StageOptions,
  open: (source: Source) => Promise<Stage>,
): Promise<number> {
  const { output, resume = false, quiet = false } = options
  const part = journalOf(output)
  if (resume && !part)
    throw new UserError('--resume: expected -o FILE: what goes to standard output cannot be taken up again', 2)
  const again = resume && part !== undefined && existsSync(part)
  if (resume && !again && existsSync(output)) return settled(output, options)

  const { input, from } = options
  const source = typeof input === 'string' ? openSource(input, from) : input
  if (again) await mend(part)
  const sink = openSink(output, options.to, again)
  const progress = startProgress(name, source, quiet)
  const release = onSignal(async signal => {
    progress.stop()
    await sink.stop().catch(() => {})
    if (!quiet) {
      const next = part ? `; ${part} holds what is done: go on with --resume` : ''
      process.stderr.write(`sophia ${name}: interrupted${next}\n`)
    }
    process.exit(signal === 'SIGTERM' ? 143 : exit.interrupted)
  })
  let stage: Stage | undefined
  let failed = 0
  try {
    stage = await open(source)
    const { meter } = stage
    const see = (row: Row) => {
      if (errorOf(row)) failed++
      progress.row(row, meter)
      options.seen?.(row)
    }
    let journal = again ? new Journal(part, stage, see) : undefined
    /** The windows that do not stand in the journal, with how many of their rows do. */
    const missing = async function* () {
      for await (const window of windows(stage!, admit(stage!, source, options))) {
        const there = await journal?.match(window)
        if (there?.whole) continue
        if (there) progress.resumed()
        journal = undefined
        yield { window, drop: there?.rows ?? 0 }
      }
    }
    for await (const row of made(stage, missing())) {
      see(row)
      const wait = sink.write(row)
      if (wait) await wait
    }
    await journal?.end()
    await sink.finish()
  } catch (error) {
    await sink.stop().catch(() => {})
    throw error
  } finally {
    release()
    progress.stop()
    await stage?.close?.()
  }
  progress.summary(failed)
  return failed > 0 ? exit.rowsFailed : exit.done
}

interface Missing {
  window: Row[]
  /** Rows at its start that are there already. */
  drop: number
}

async function* made(stage: Stage, missing: AsyncIterable<Missing>): AsyncGenerator<Row> {
  const { ahead = 1 } = stage
  if (ahead === 1) for await (const { window, drop } of missing) yield* after(drop, stage.map(window))
  else {
    const whole = ({ window, drop }: Missing) => collect(after(drop, stage.map(window)))
    for await (const rows of inOrder(missing, ahead, whole)) yield* rows
  }
}

async function* after(drop: number, rows: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<Row> {
  let passed = 0
  for await (const row of rows) if (passed++ >= drop) yield row
}

function windows(stage: Stage, batches: Batches): Batches {
  if (stage.window === 'any') return batches
  return stage.window === 'problem' ? byProblem(batches) : bySize(batches, stage.window, row => stage.passes(row))
}

/** The rows that this run is about: its shard's, the first `limit` of them, errors of this stage forgotten on request. */
async function* admit(stage: Stage, source: Source, options: StageOptions): AsyncGenerator<Row[]> {
  const { shard, retryErrors, limit = Number.POSITIVE_INFINITY } = options
  if (limit <= 0) return
  let count = 0
  for await (const batch of source.batches()) {
    let rows = shard ? batch.filter(row => inShard(idOf(row), shard)) : batch
    if (retryErrors) rows = rows.map(row => (errorOf(row)?.stage === stage.name ? without(row, 'error') : row))
    if (count + rows.length > limit) rows = rows.slice(0, limit - count)
    count += rows.length
    yield rows
    if (count >= limit) return
  }
}

/** --resume of a run that came to its end: says so, with the same exit code. */
async function settled(output: string, options: StageOptions): Promise<number> {
  let failed = 0
  for await (const row of readRows(output, options.to)) {
    if (errorOf(row)) failed++
    options.seen?.(row)
  }
  if (!options.quiet) process.stderr.write(`${output} is complete: nothing to resume\n`)
  return failed > 0 ? exit.rowsFailed : exit.done
}

function onSignal(stop: (signal: NodeJS.Signals) => void): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM']
  for (const signal of signals) process.once(signal, stop)
  return () => {
    for (const signal of signals) process.removeListener(signal, stop)
  }
}
