/** `sophia reason`: flags → src/sophia/reason.ts. */
import { Flags } from '@oclif/core'
import {
  inputArgument,
  modelFlags,
  rowFlags,
  SophiaCommand,
  samplingFlags,
  seedFlag,
  stageOptions,
} from '../src/cli.ts'
import { serverFlags } from '../src/cli-servers.ts'

export default class Reason extends SophiaCommand {
  static override summary = 'Let the reasoner think about each caption, several times.'
  static override description = `Makes one row a trajectory and adds trajectory {index, text, tokens, finish, model}.
The reasoner reads the caption in place of the picture. Rows that have a trajectory go through.
With --base-url an OpenAI-compatible server has the model; the rows are the same. Its API key comes from the environment.`
  static override examples = [
    '<%= config.bin %> caption fixtures/world/test.parquet --model fixtures/policy --limit 4 --captions 1 --max-tokens 96 | <%= config.bin %> <%= command.id %> --model fixtures/reasoner --trajectories 2 --max-tokens 192',
    '<%= config.bin %> <%= command.id %> captions.jsonl --model fixtures/reasoner --trajectories 4 --max-tokens 192 -o thoughts.jsonl',
    '<%= config.bin %> <%= command.id %> captions.jsonl --base-url http://localhost:8000/v1 --model MODEL -o thoughts.jsonl',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    ...modelFlags,
    trajectories: Flags.integer({ default: 8, min: 1, helpValue: 'N', description: 'trajectories a caption' }),
    prompt: Flags.string({
      helpValue: 'FILE',
      description: "the prompt, with {question}, {options} and {caption} (default: the model's prompts.json, or ours)",
    }),
    ...samplingFlags,
    seed: seedFlag,
    ...serverFlags,
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Reason)
    const { reasonStage } = await import('../src/sophia/stages.ts')
    const { runStage } = await import('../src/io/stage.ts')
    process.exitCode = await runStage('reason', stageOptions(args.input, flags), () => reasonStage(flags))
  }
}
