/** `sophia eval report`: flags → src/sophia/report/report.ts. */
import { Flags } from '@oclif/core'
import { imageFlags, inputArgument, rowFlags, SophiaCommand } from '../../src/cli.ts'

export default class Report extends SophiaCommand {
  static override summary = 'Make one HTML page of responses: every item, and accuracy by subject and level.'
  static override description =
    `Reads rows of eval and writes a page that needs nothing but itself: plots of accuracy with 95% intervals
by whatever the problems have (subject, level, language, answer_type, …), reasons, lengths; and of each problem its
pictures, question, options, gold, and each response with its thought, answer and verdict. Filters, search, j and k to
walk, PAGE#ID to point at one problem. Pictures are embedded once each, at most 640 pixels long.
--only and --limit bound what is embedded of a large run; the plots count all rows.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> responses.jsonl -o report.html',
    '<%= config.bin %> <%= command.id %> responses.jsonl --only wrong --limit 100 -o wrong.html',
    '<%= config.bin %> eval --benchmark mathvision --data MATH-V --model MODEL | <%= config.bin %> <%= command.id %> --images MATH-V -o report.html',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    output: Flags.string({
      char: 'o',
      default: 'report.html',
      helpValue: 'FILE',
      description: 'where the page goes; - is standard output',
    }),
    only: Flags.option({
      options: ['right', 'wrong'] as const,
      helpValue: 'right|wrong',
      description: 'embed only such responses',
    })(),
    limit: Flags.integer({ min: 1, helpValue: 'N', description: 'embed at most N problems' }),
    from: rowFlags.from,
    quiet: rowFlags.quiet,
    ...imageFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Report)
    const { openSource } = await import('../../src/io/source.ts')
    const { report } = await import('../../src/sophia/report/report.ts')
    const { output, only, limit, quiet, images, 'allow-remote': allowRemote } = flags
    const source = openSource(args.input, flags.from)
    await report(source, output, { folder: images ?? source.folder, allowRemote, only, limit, quiet })
  }
}
