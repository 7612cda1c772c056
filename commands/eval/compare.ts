/** `sophia eval compare`: flags → src/sophia/result/compare.ts. */
import { Args, Flags } from '@oclif/core'
import { rowFlags, SophiaCommand } from '../../src/cli.ts'
import { UserError } from '../../src/errors.ts'
import { standard } from '../../src/io/formats.ts'

export default class Compare extends SophiaCommand {
  static override summary = 'Pair two runs of eval: the difference, and the items that flipped.'
  static override description =
    `Pairs the responses of A and B by the problems' ids and tells, on standard error, the accuracy of each, the difference
B - A with its paired bootstrap interval (over seed questions where rows carry group), McNemar's test, and the same by
subject, level and so on. Writes one row a problem that is right in one and wrong in the other: {id, flip: gained or
lost, subject, level, question, answer, from, to}; of several samples half must be right. --summary has the numbers.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> responses.jsonl judged-again.jsonl -o flips.jsonl --summary difference.json',
    '<%= config.bin %> <%= command.id %> before.parquet after-MODEL.jsonl | jq -r \'select(.flip == "lost") | .id\'',
  ]
  static override args = {
    a: Args.string({ name: 'A', required: true, ignoreStdin: true, description: "a file of eval's rows" }),
    b: Args.string({ name: 'B', required: true, ignoreStdin: true, description: 'another, on the same problems' }),
  }
  static override flags = {
    output: rowFlags.output,
    from: rowFlags.from,
    to: rowFlags.to,
    summary: Flags.string({ helpValue: 'FILE', description: 'where the numbers go, as JSON' }),
    resamples: Flags.integer({ default: 10_000, min: 100, helpValue: 'N', description: 'of the bootstrap' }),
    seed: Flags.integer({ default: 0, helpValue: 'SEED', description: 'of the bootstrap' }),
    quiet: { ...rowFlags.quiet, description: 'no table on standard error' },
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Compare)
    if (args.a === standard && args.b === standard)
      throw new UserError('expected two files, got standard input twice', 2)
    const { compareFiles } = await import('../../src/sophia/result/compare-files.ts')
    await compareFiles(args.a, args.b, flags)
  }
}
