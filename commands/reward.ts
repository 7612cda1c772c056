/** `sophia reward`: flags → src/sophia/reward.ts. */
import { Flags } from '@oclif/core'
import { inputArgument, judgeFlag, rowFlags, SophiaCommand, stageOptions } from '../src/cli.ts'
import { jurorFlags, patienceFlags } from '../src/cli-servers.ts'

export default class Reward extends SophiaCommand {
  static override summary = 'Judge each trajectory against the golden answer.'
  static override description = `Reads the answer out of each trajectory, compares it with \`answer\` and adds
verdict {reward: 0 or 1, answer, reason}; reason is right, wrong, no answer, truncated, unclosed think, unparseable,
too hard (over the judge's bounds) or unreachable gold.
strict is for rewards to train on; the others do as the benchmarks' own judges do, quirks included.
--judge-url lets an LLM judge in their place; its name then stands in the verdict.

--reward-command puts a scorer of your own in the judge's place, in any language: one process for the whole run, which
reads rows as lines of JSON and answers each, in order, with a line: 0 or 1, {"reward": 0 or 1, "answer"?, "reason"?}, or
the row with such a "verdict". It has to write out each answer before it waits for the next row. Only the verdict is
taken from it. If it dies or answers something else, the stage ends with 1; --resume goes on.`
  static override examples = [
    `$ echo '{"id":1,"question":"2+3?","answer":5,"trajectory":"It is \\\\boxed{5}."}' | <%= config.bin %> <%= command.id %>`,
    '<%= config.bin %> <%= command.id %> thoughts.jsonl -o judged.jsonl',
    `<%= config.bin %> <%= command.id %> thoughts.jsonl --reward-command "stdbuf -oL sed 's/.*boxed.*/1/;t;s/.*/0/'"`,
  ]
  static override args = { input: inputArgument }
  static override flags = {
    judge: judgeFlag,
    key: Flags.string({ default: 'trajectory', helpValue: 'KEY', description: 'which key holds the response' }),
    'reward-command': Flags.string({
      helpValue: 'CMD',
      exclusive: ['judge', 'key', 'judge-url'],
      description: 'a scorer of your own, run by the shell: rows in, verdicts out',
    }),
    ...jurorFlags,
    ...patienceFlags,
    ...rowFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Reward)
    const { rewardStage } = await import('../src/sophia/stages.ts')
    const { runStage } = await import('../src/io/stage.ts')
    process.exitCode = await runStage('reward', stageOptions(args.input, flags), async () => rewardStage(flags))
  }
}
