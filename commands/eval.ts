/** `sophia eval`: flags → src/sophia/evaluate.ts, and the result that score.ts counts. */
import { Flags } from '@oclif/core'
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
import type { Row } from '../src/io/row.ts'

export default class Eval extends SophiaCommand {
  static override summary = 'Let the policy answer problems, and score it.'
  static override description =
    `Writes one row a response, with response {index, text, tokens, finish, model, verdict}, and tells pass@1
with its 95% interval, by group, on standard error; --summary FILE writes the result as JSON.
The paper's settings are the defaults: temperature 1.0, top-p 0.8, at most 16384 tokens, one sample.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> fixtures/world/test.parquet --model fixtures/policy --limit 20 --max-tokens 256 -o responses.jsonl',
    '<%= config.bin %> <%= command.id %> problems.jsonl --model MODEL --samples 4 --summary result.json -o responses.jsonl --resume',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    ...modelFlags,
    samples: Flags.integer({ default: 1, min: 1, helpValue: 'N', description: 'responses to a problem' }),
    judge: judgeFlag,
    summary: Flags.string({ helpValue: 'FILE', description: 'where the result goes, as JSON' }),
    prompt: Flags.string({
      helpValue: 'FILE',
      description: "the prompt, with {question} and {options} (default: the model's prompts.json, or ours)",
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
    ...imageFlags,
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Eval)
    const { evalStage } = await import('../src/sophia/stages.ts')
    const { runStage } = await import('../src/io/stage.ts')
    const { Score, tableOf } = await import('../src/sophia/score.ts')
    const score = new Score()
    const options = { ...stageOptions(args.input, flags), seen: (row: Row) => score.add(row) }
    process.exitCode = await runStage('eval', options, source => evalStage(flags, source))
    const result = score.result()
    if (!flags.quiet) process.stderr.write(`${tableOf(result)}\n`)
    if (flags.summary) {
      const { writeFileSync } = await import('node:fs')
      const { model, judge, seed, temperature } = flags
      const settings = { model, judge, seed, temperature, top_p: flags['top-p'], max_tokens: flags['max-tokens'] }
      writeFileSync(flags.summary, `${JSON.stringify({ ...result, settings }, null, 2)}\n`)
    }
  }
}
