/** `sophia eval`: flags → src/sophia/evaluate.ts, and the result that score.ts counts and result/ writes. */
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
import type { Source } from '../src/io/source.ts'

// the readers themselves load only when they are asked for
const names: BenchmarkName[] = [
  'mathvision',
  'olympiadbench',
  'mmmu',
  'mmmu-pro',
  'mathvista',
  'mathverse',
  'dynamath',
  'mv-math',
]

export default class Eval extends SophiaCommand {
  static override summary = 'Let the policy answer problems, and score it.'
  static override description =
    `Writes one row a response, with response {index, text, tokens, finish, model, verdict}, and tells pass@1
with its 95% interval, by group, on standard error. --summary and --log-samples write what lmms-eval writes.
The paper's settings are the defaults: temperature 1.0, top-p 0.8, at most 16384 tokens, one sample.

--benchmark reads a benchmark's own files, from --data or fetched from the Hub, asks as it asks and judges as it judges.
--responses scores answers that some model gave before, and runs none. Rows that eval wrote hold all that is needed; with
--benchmark and --data, rows of an id and an answer will do.

--extract-url lets an LLM read the answers out of the responses, --judge-url lets one judge them; else rules do both.`
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
    benchmark: Flags.option({ options: names, description: 'in place of INPUT; reads --data, or the Hub' })(),
    data: Flags.string({
      helpValue: 'PATH',
      description:
        "a file or folder of the benchmark's repository, or of its data set on the Hub (default: fetched from there)",
    }),
    responses: Flags.string({
      helpValue: 'FILE',
      exclusive: ['samples', 'temperature', 'top-p', 'max-tokens', 'base-url', 'adapter', 'profile'],
      description: 'saved answers to score, in place of INPUT',
    }),
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
    summary: Flags.string({ helpValue: 'FILE', description: "where the result goes, as JSON in lmms-eval's layout" }),
    'log-samples': Flags.string({ helpValue: 'FILE', description: "where lmms-eval's samples JSONL goes" }),
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
    const { openOutcome } = await import('../src/sophia/result/outcome.ts')
    const { model, responses, key } = flags
    if (args.input !== standard && (responses ?? flags.benchmark) !== undefined)
      throw new UserError(`expected INPUT or --${responses ? 'responses' : 'benchmark'}, got both`, 2)
    if (model === undefined && responses === undefined)
      throw new UserError('expected --model MODEL, or --responses FILE with answers to score', 2)
    const { benchmark, source } = await benchmarkOf(flags)
    const judge = flags.judge ?? benchmark?.judge ?? 'strict'
    const input = responses ?? flags.data ?? args.input
    const outcome = await openOutcome({ ...flags, judge }, { input, benchmark, version: this.config.version })
    const options = { ...stageOptions(args.input, flags), seen: outcome.seen }
    if (responses !== undefined) {
      const { problemsOf } = await import('../src/benchmarks/index.ts')
      const problems = source && (await problemsOf(source))
      outcome.expect(problems?.values() ?? [], flags)
      const rescoring = { judge, key, model: model ?? '', problems }
      process.exitCode = await runStage('eval', { ...options, input: responses }, () => rescoreStage(rescoring, flags))
    } else {
      const asking = { ...flags, model: model as string, judge, benchmark }
      process.exitCode = await runStage('eval', { ...options, input: source ?? args.input }, from =>
        evalStage(asking, from),
      )
    }
    outcome.finish()
  }
}

async function benchmarkOf(flags: {
  benchmark?: BenchmarkName
  data?: string
  responses?: string
  quiet: boolean
}): Promise<{ benchmark?: Benchmark; source?: Source }> {
  const { benchmark: name, data, responses } = flags
  if (name === undefined) {
    if (data !== undefined) throw new UserError('--data: expected --benchmark with it, to say whose files they are', 2)
    return {}
  }
  const { benchmarks, fetchBenchmark, openBenchmark } = await import('../src/benchmarks/index.ts')
  const benchmark: Benchmark = benchmarks[name]
  if (data !== undefined) return { benchmark, source: openBenchmark(benchmark, data) }
  if (responses !== undefined) return { benchmark } // the rows are whole problems: only its judge is wanted
  const tell = (line: string) => !flags.quiet && process.stderr.write(`${line}\n`)
  return { benchmark, source: openBenchmark(benchmark, await fetchBenchmark(name, benchmark, tell)) }
}
