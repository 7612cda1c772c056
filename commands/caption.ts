/** `sophia caption`: flags → src/sophia/caption.ts. */
import { Flags } from '@oclif/core'
import {
  imageFlags,
  inputArgument,
  modelFlags,
  rowFlags,
  SophiaCommand,
  samplingFlags,
  seedFlag,
  stageOptions,
} from '../src/cli.ts'
import { serverFlags } from '../src/cli-servers.ts'

export default class Caption extends SophiaCommand {
  static override summary = "Let the policy describe each problem's pictures, several times."
  static override description = `Makes one row a caption and adds caption {index, text, tokens, finish, logprob}.
The model is asked for everything that can be seen and never shown the question. Rows that have a caption go through.
With --base-url an OpenAI-compatible server has the model; the rows are the same. Its API key comes from the environment.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> fixtures/world/test.parquet --model fixtures/policy --limit 4 --captions 2 --max-tokens 96',
    '<%= config.bin %> <%= command.id %> fixtures/world/test.parquet --model fixtures/policy --limit 4 --captions 4 --max-tokens 96 -o captions.jsonl',
    '<%= config.bin %> <%= command.id %> problems.jsonl --base-url http://localhost:8000/v1 --model MODEL --max-tokens 2048 -o captions.jsonl',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    ...modelFlags,
    captions: Flags.integer({ default: 8, min: 1, helpValue: 'K', description: 'captions a problem' }),
    prompt: Flags.string({ helpValue: 'FILE', description: "the prompt (default: the model's prompts.json, or ours)" }),
    ...samplingFlags,
    seed: seedFlag,
    ...serverFlags,
    ...imageFlags,
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Caption)
    const { captionStage } = await import('../src/sophia/stages.ts')
    const { runStage } = await import('../src/io/stage.ts')
    process.exitCode = await runStage('caption', stageOptions(args.input, flags), source => captionStage(flags, source))
  }
}
