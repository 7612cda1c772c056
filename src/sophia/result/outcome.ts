/** What eval leaves behind beside its rows: the table, --summary and --log-samples. */
import { writeFileSync } from 'node:fs'
import { type Benchmark, benchmarks } from '../../benchmarks/index.ts'
import { UserError } from '../../errors.ts'
import { inShard, type Shard } from '../../io/shard.ts'
import { checkWritable } from '../../io/sink.ts'
import { askingOf } from '../evaluate.ts'
import { fill } from '../prompts.ts'
import { idOf, type Row } from '../rows.ts'
import { Score } from '../score.ts'
import { type About, lmmsResult } from './lmms.ts'
import { SampleLog } from './samples.ts'
import { tableOf } from './table.ts'

/** The flags of eval that its result tells of. */
export interface OutcomeFlags {
  model?: string
  adapter?: string
  device: string
  benchmark?: string
  responses?: string
  key: string
  judge: string
  'judge-model'?: string
  'extract-model'?: string
  'base-url'?: string
  seed: number
  temperature: number
  'top-p': number
  'max-tokens': number
  'batch-size': number
  prompt?: string
  limit?: number
  summary?: string
  'log-samples'?: string
  quiet: boolean
}

/**
 * @param run `input`: where the problems, or the saved answers, come from
 * @throws UserError where --summary or --log-samples could not be written
 */
export async function openOutcome(
  flags: OutcomeFlags,
  { input, version, benchmark }: { input: string; version: string; benchmark?: Benchmark },
): Promise<Outcome> {
  const { model, adapter, responses, key, judge, seed, limit, temperature } = flags
  checkWritable('--summary', flags.summary)
  checkWritable('--log-samples', flags['log-samples'])
  const sampled = { temperature, top_p: flags['top-p'], max_tokens: flags['max-tokens'] }
  const how = responses === undefined ? { seed, ...sampled } : { responses, key }
  const who = { judge: flags['judge-model'] ?? judge, extractor: flags['extract-model'] ?? 'rules' }
  const about: About = {
    input,
    model,
    adapter,
    limit,
    version,
    began: new Date(),
    official: flags.benchmark
      ? { benchmark: flags.benchmark, denominator: benchmark?.denominator ?? 'all' }
      : undefined,
    settings: { model, 'base-url': flags['base-url'], benchmark: flags.benchmark, ...who, ...how },
    ...(responses === undefined && { sampled, seed, batchSize: flags['batch-size'], device: flags.device }),
  }
  const asking = model === undefined ? undefined : askingOf({ model, prompt: flags.prompt, benchmark })
  const prompt = asking?.prompt ?? benchmark?.prompt ?? '{question}{options}'
  return new Outcome(about, flags, row => fill(typeof prompt === 'string' ? prompt : prompt(row), row))
}

/** @throws UserError where `row` is a problem of another benchmark than it is counted to: a file taken up by mistake */
function checkSource({ source, ...row }: Row, benchmark: string): void {
  if (typeof source !== 'string' || source === benchmark || !Object.hasOwn(benchmarks, source)) return
  throw new UserError(`expected answers to ${benchmark}, got one to ${source} (id ${idOf(row)}): is it the right file?`)
}

export class Outcome {
  private readonly score = new Score()
  private readonly samples: SampleLog | undefined

  constructor(
    private readonly about: About,
    private readonly flags: Pick<OutcomeFlags, 'summary' | 'log-samples' | 'quiet'>,
    prompt: (row: Row) => string,
  ) {
    const path = flags['log-samples']
    if (path !== undefined) this.samples = new SampleLog(path, prompt, about.sampled ?? {})
  }

  /** Told each row of the output, also those that an earlier run wrote. */
  readonly seen = (row: Row): void => {
    const { official } = this.about
    if (official) checkSource(row, official.benchmark)
    this.score.add(row)
    this.samples?.add(row)
  }

  /** Told the problems that ought to be answered; with a limit nobody knows which. */
  expect(problems: Iterable<Row>, { shard, limit }: { shard?: Shard; limit?: number }): void {
    if (limit !== undefined) return
    for (const problem of problems) if (!shard || inShard(idOf(problem), shard)) this.score.expect(problem)
  }

  finish(): void {
    this.samples?.end()
    const result = this.score.result()
    const { summary, quiet } = this.flags
    const { official, settings } = this.about
    if (!quiet) process.stderr.write(`${tableOf(result, official, settings)}\n`)
    if (summary) writeFileSync(summary, `${JSON.stringify(lmmsResult(result, this.about), null, 2)}\n`)
  }
}
