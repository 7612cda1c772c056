/** The first screen of `sophia --help`: the stages in the order in which they are joined, and a pipe of them that runs. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Command, Help, type Interfaces } from '@oclif/core'

const stages = ['caption', 'reason', 'reward', 'propagate', 'train', 'eval']

export default class SophiaHelp extends Help {
  constructor(config: Interfaces.Config, options?: Partial<Interfaces.HelpOptions>) {
    // Examples have to run as printed, in a clone that nobody has linked too.
    const linked = process.env.PATH?.split(delimiter).some(folder => existsSync(join(folder, config.bin)))
    if (!linked) Object.assign(config, { bin: `npx ${config.bin}` })
    super(config, options)
  }

  /** Descriptions are filled to the terminal's width, not to that of their source. */
  protected override formatCommand(command: Command.Loadable): string {
    const description = command.description?.replace(/\n(?=[^\n])(?<!\n\n)/g, ' ')
    return super.formatCommand(Object.assign(Object.create(command), { description }))
  }

  protected override async showRootHelp(): Promise<void> {
    const { bin, commands, version } = this.config
    const line = (id: string) => {
      const summary = commands.find(command => command.id === id)?.summary
      return summary ? `  ${id.replaceAll(':', ' ').padEnd(14)} ${summary}\n` : ''
    }
    const others = commands.map(({ id }) => id).filter(id => !stages.includes(id) && id !== 'help')
    this.log(`${this.config.pjson.description}.

Version ${version}. Six stages, each useful alone, made to be joined by pipes:

${[...stages, ...others].map(line).join('')}
EXAMPLES
  $ ${bin} caption fixtures/world/train.parquet --model fixtures/policy --limit 2 --captions 4 --max-tokens 256 |
      ${bin} reason --model fixtures/reasoner --trajectories 4 --max-tokens 512 |
      ${bin} reward | ${bin} propagate -o credited.jsonl
  $ ${bin} train credited.jsonl --model fixtures/policy -o policy-1 --batch-size 2
  $ ${bin} eval fixtures/world/test.parquet --model policy-1 --limit 20 --max-tokens 512 -o responses.jsonl

Rows are JSON Lines (.jsonl, .jsonl.gz) or Parquet (.parquet); a stage reads a file or standard input.
${bin} STAGE --help has the flags of a stage, and more examples.
`)
  }
}
