/** `sophia check overlap`: flags → src/sophia/overlap. */
import { Args, Flags } from '@oclif/core'
import { imageFlags, rowFlags, SophiaCommand, stageOptions } from '../../src/cli.ts'
import type { Row } from '../../src/io/row.ts'

export default class CheckOverlap extends SophiaCommand {
  static override summary = 'Find training questions that overlap benchmarks.'
  static override description =
    `Adds overlap to every row of TRAIN: null, or {kind, benchmark, id, score, also} of the benchmark's question that it
holds. kind is exact (same words and numbers once LaTeX, options and spaces are put aside), ngram (much of the same
wording: also renumbered, cut or embedded questions), or image (the same picture, resized, re-encoded or with another
margin; the question may be another one). also holds the image where both agree. Questions that say little without
their picture ("Find x.", templates) overlap only if the picture does too.

BENCHMARK is a file of rows, NAME=PATH for a benchmark's official files (mathvision=MATH-V), or NAME for those on the Hub.
There may be several.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> fixtures/world/train.parquet fixtures/world/test.parquet --limit 200 --only clean -o clean.jsonl',
    `$ echo '{"prompt":"What is 2 + 3, and how many apples are left?"}' | <%= config.bin %> <%= command.id %> - fixtures/world/test.parquet --by text`,
    '<%= config.bin %> <%= command.id %> MODEL-train.jsonl mathvision=MATH-V olympiadbench=OlympiadBench -o checked.jsonl',
  ]
  static override strict = false
  static override args = {
    train: Args.string({ ignoreStdin: true, required: true, description: 'a file of rows, or - for standard input' }),
    benchmark: Args.string({ ignoreStdin: true, required: true, description: 'a file of rows, NAME=PATH or NAME' }),
  }
  static override flags = {
    by: Flags.option({
      options: ['any', 'text', 'image'] as const,
      default: 'any' as const,
      description: 'what is compared; text reads no pictures',
    })(),
    only: Flags.option({
      options: ['overlapping', 'clean'] as const,
      description: 'write these rows only, and those that carry an error',
    })(),
    ...imageFlags,
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(CheckOverlap)
    const [input, ...paths] = argv as string[]
    const { overlapStage } = await import('../../src/sophia/stages.ts')
    const { runStage } = await import('../../src/io/stage.ts')
    const { Tally } = await import('../../src/sophia/overlap/overlap.ts')
    const tally = new Tally()
    const { only } = flags
    // Rows that are not written are met only where they are checked; those of an earlier run only where they are written.
    const options = { ...stageOptions(input, flags), seen: only ? undefined : (row: Row) => tally.add(row) }
    const told = only ? (row: Row) => tally.add(row) : undefined
    process.exitCode = await runStage('check overlap', options, from => overlapStage(flags, paths, from, told))
    if (!flags.quiet) process.stderr.write(`${tally}${only && flags.resume ? ', of those checked now' : ''}\n`)
  }
}
