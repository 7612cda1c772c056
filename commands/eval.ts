/** `sophia eval`: flags → src/sophia/evaluate.ts, and the result that score.ts counts. */
import { Flags } from '@oclif/core'
import type { Judge } from '../src/answers/verify.ts'
import type { Benchmark, BenchmarkName } from '../src/benchmarks/index.ts'
import {
  imageFlags,
  inputArgument,
  judgeFlag,
  modelFlags,
  number,
  rowFlags,
  SophiaCommand,
  samplingFlags,
  seedFlag,
  stageOptions,
} from '../src/cli.ts'
import { extractorFlags, jurorFlags, serverFlags } from '../src/cli-servers.ts'
import { UserError } from '../src/errors.ts'
import { standard } from '../src/io/formats.ts'
import type { Row } from '../src/io/row.ts'
import type { Source } from '../src/io/source.ts'

const names: BenchmarkName[] = ['mathvision', 'olympiadbench'] // the readers themselves load only when they are asked for

export default class Eval extends SophiaCommand {
  static override summary = 'Let the policy answer problems, and score it.'
  static override description =
    `Writes one row a response, with response {index, text, tokens, finish, model, verdict}, and tells pass@1
with its 95% interval, by group, on standard error; --summary FILE writes the result as JSON.
--benchmark reads a benchmark's own files from --data, asks as it asks and judges as it judges.
--responses scores answers that some model gave before, and runs none; with --benchmark, rows of an id and an answer will do.
--extract-url lets an LLM read the answers out of the responses, --judge-url lets one judge them; else rules do both.
The paper's settings are the defaults: temperature 1.0, top-p 0.8, at most 16384 tokens, one sample.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> fixtures/world/test.parquet --model fixtures/policy --limit 20 --max-tokens 256 -o responses.jsonl',
    '<%= config.bin %> <%= command.id %> problems.jsonl --model MODEL --samples 4 --summary result.json -o responses.jsonl --resume',
    '<%= config.bin %> <%= command.id %> --benchmark mathvision --data MATH-V --model MODEL -o responses.jsonl',
    '<%= config.bin %> <%= command.id %> --responses responses.jsonl --judge olympiadbench -o judged-again.jsonl',
    '<%= config.bin %> <%= command.id %> --responses responses.jsonl --extract-url http://localhost:8000/v1 --extract-model MODEL -o extracted.jsonl',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    ...modelFlags,
    model: Flags.string({
      helpGroup: 'MODEL',
      helpValue: 'MODEL',
      description: 'a model folder, or a Hub id (not needed with --responses)',
    }),
    benchmark: Flags.option({ options: names, description: 'in place of INPUT; reads --data' })(),
    data: Flags.string({
      helpValue: 'PATH',
      description: "a file or folder of the benchmark's repository, or of its data set on the Hub",
    }),
    responses: Flags.string({ helpValue: 'FILE', description: 'saved answers to score, in place of INPUT' }),
    key: Flags.string({
      default: 'response',
      helpValue: 'KEY',
      description: 'what holds a saved answer: text, or an object with text and finish',
    }),
    samples: Flags.integer({ default: 1, min: 1, helpValue: 'N', description: 'responses to a problem' }),
    judge: Flags.option({
      options: judgeFlag.options as readonly Judge[],
      description: "who says what is right (default: the benchmark's own judge, or else strict)",
    })(),
    summary: Flags.string({ helpValue: 'FILE', description: 'where the result goes, as JSON' }),
    prompt: Flags.string({
      helpValue: 'FILE',
      description:
        "the prompt, with {question} and {options} (default: the benchmark's, the model's prompts.json, or ours)",
    }),
    ...samplingFlags,
    'top-p': Flags.custom<number>({
      default: 0.8,
      helpValue: 'P',
      parse: number(0, 1),
      description: 'sample from the likeliest tokens that make up P',
    })(),
    'max-tokens': Flags.integer({
      default: 16384,
      min: 1,
      helpValue: 'N',
      description: 'new tokens a response at most',
    }),
    seed: seedFlag,
    ...serverFlags,
    ...extractorFlags,
    ...jurorFlags,
    ...imageFlags,
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Eval)
    const { evalStage, rescoreStage } = await import('../src/sophia/stages.ts')
    const { runStage } = await import('../src/io/stage.ts')
    const { Score, tableOf } = await import('../src/sophia/score.ts')
    const { model, responses, key, seed, temperature } = flags
    if (args.input !== standard && (responses ?? flags.benchmark) !== undefined)
      throw new UserError(`expected INPUT or --${responses ? 'responses' : 'benchmark'}, got both`, 2)
    if (model === undefined && responses === undefined)
      throw new UserError('expected --model MODEL, or --responses FILE with answers to score', 2)
    const { benchmark, source } = await benchmarkOf(flags)
    const judge = flags.judge ?? benchmark?.judge ?? 'strict'
    const score = new Score()
    let asked: number | undefined
    const options = { ...stageOptions(args.input, flags), seen: (row: Row) => score.add(row) }
    if (responses !== undefined) {
      const { problemsOf } = await import('../src/benchmarks/index.ts')
      const problems = source && (await problemsOf(source))
      if (flags.shard === undefined && flags.limit === undefined) asked = problems?.size
      const rescoring = { judge, key, model: model ?? '', problems }
      process.exitCode = await runStage('eval', { ...options, input: responses }, () => rescoreStage(rescoring, flags))
    } else {
      const input = source ?? args.input
      const asking = { ...flags, model: model as string, judge, benchmark }
      process.exitCode = await runStage('eval', { ...options, input }, from => evalStage(asking, from))
    }
    const result = score.result()
    const unanswered = asked === undefined ? undefined : asked - result.n
    if (!flags.quiet) {
      const gap = unanswered ? `${unanswered} problems have no answer here and are not counted\n` : ''
      process.stderr.write(`${tableOf(result)}\n${gap}`)
    }
    if (flags.summary) {
      const { writeFileSync } = await import('node:fs')
      const sampled = { seed, temperature, top_p: flags['top-p'], max_tokens: flags['max-tokens'] }
      const how = responses === undefined ? sampled : { responses, key }
      const who = { judge: flags['judge-model'] ?? judge, extractor: flags['extract-model'] ?? 'rules' }
      const settings = { model, benchmark: flags.benchmark, ...who, ...how }
      writeFileSync(flags.summary, `${JSON.stringify({ ...result, unanswered, settings }, null, 2)}\n`)
    }
  }
}

async function benchmarkOf(flags: {
  benchmark?: BenchmarkName
  data?: string
  responses?: string
}): Promise<{ benchmark?: Benchmark; source?: Source }> {
  const { benchmark: name, data, responses } = flags
  if (name === undefined) {
    if (data !== undefined) throw new UserError('--data: expected --benchmark with it, to say whose files they are', 2)
    return {}
  }
  const { benchmarks, openBenchmark } = await import('../src/benchmarks/index.ts')
  const benchmark: Benchmark = benchmarks[name]
  if (data !== undefined) return { benchmark, source: openBenchmark(benchmark, data) }
  if (responses !== undefined) return { benchmark } // the rows are whole problems: only its judge is wanted
  throw new UserError(`--benchmark ${name}: expected --data PATH. Download ${benchmark.download}`, 2)
}
