/** `sophia propagate`: flags → src/sophia/propagate.ts. */
import { Flags } from '@oclif/core'
import { inputArgument, number, rowFlags, SophiaCommand, stageOptions } from '../src/cli.ts'

export default class Propagate extends SophiaCommand {
  static override summary = 'Let rewards flow back to captions, and choose what the policy is to learn.'
  static override description = `Adds credit {caption, reward} to every row. caption is the share of the caption's
trajectories that are right (Eq. 5). reward is 1 for the shortest right trajectory of a problem among the captions whose
share is above alpha (Eq. 6), else 0. All rows are kept. The rows of a problem have to stand together.`
  static override examples = [
    `$ echo '{"id":1,"question":"2+3?","answer":5,"trajectory":"It is \\\\boxed{5}."}' | <%= config.bin %> reward | <%= config.bin %> <%= command.id %>`,
    '<%= config.bin %> <%= command.id %> judged.jsonl --alpha 0.5 --keep 2 -o credited.jsonl',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    alpha: Flags.custom<number>({
      default: 0.75,
      helpValue: 'A',
      parse: number(0, 1),
      description: 'a caption counts above this share',
    })(),
    keep: Flags.integer({ default: 1, min: 0, helpValue: 'N', description: 'trajectories kept a problem; 0: all' }),
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Propagate)
    const { propagateStage } = await import('../src/sophia/stages.ts')
    const { runStage } = await import('../src/io/stage.ts')
    process.exitCode = await runStage('propagate', stageOptions(args.input, flags), async () => propagateStage(flags))
  }
}
