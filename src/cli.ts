/**
 * What the commands have in common: flags, errors told in a sentence, exit codes. A command turns its flags into one
 * call and knows nothing else.
 */
import { Args, Command, type Errors, Flags } from '@oclif/core'
import { ofSystem, UserError } from './errors.ts'
import { type Format, formats, standard } from './io/formats.ts'
import { parseShard, type Shard } from './io/shard.ts'
import type { StageOptions } from './io/stage.ts'

/** The positional argument of a stage. oclif must not read standard input for itself: it eats rows. */
export const inputArgument = Args.string({
  name: 'INPUT',
  default: standard,
  ignoreStdin: true,
  description: 'a file of rows (.jsonl, .jsonl.gz, .parquet), or - for standard input',
})

export const rowFlags = {
  output: Flags.string({
    helpGroup: 'ROW',
    char: 'o',
    default: standard,
    helpValue: 'FILE',
    description: 'where the rows go; grows as FILE.part, renamed at the end (default: standard output)',
  }),
  from: Flags.option({
    helpGroup: 'ROW',
    options: formats,
    helpValue: 'FORMAT',
    description: `format of INPUT: ${formats.join(', ')} (default: by its ending)`,
  })(),
  to: Flags.option({
    helpGroup: 'ROW',
    options: formats,
    helpValue: 'FORMAT',
    description: 'format of the output, likewise',
  })(),
  resume: Flags.boolean({ helpGroup: 'ROW', description: 'go on with FILE.part where a run was cut off' }),
  shard: Flags.custom<Shard>({
    helpGroup: 'ROW',
    helpValue: 'I/N',
    description: 'only the I-th of N parts of the problems, by hash of their ids',
    parse: async text => parseShard(text),
  })(),
  limit: Flags.integer({
    helpGroup: 'ROW',
    min: 0,
    helpValue: 'ROWS',
    description: 'only the first ROWS input rows (of the shard)',
  }),
  'retry-errors': Flags.boolean({ helpGroup: 'ROW', description: 'try rows again that failed in this stage' }),
  quiet: Flags.boolean({ helpGroup: 'ROW', char: 'q', description: 'no progress on standard error' }),
}

export const seedFlag = Flags.integer({
  helpGroup: 'SAMPLING',
  helpValue: 'SEED',
  default: 0,
  description: 'every draw follows from it, the id and the indices',
})

export const imageFlags = {
  images: Flags.string({
    helpGroup: 'PICTURE',
    helpValue: 'DIR',
    description: "where pictures' paths start from (default: INPUT's folder)",
  }),
  'allow-remote': Flags.boolean({
    helpGroup: 'PICTURE',
    description: 'fetch pictures whose reference is an http(s) URL',
  }),
}

export const engines = ['onnx', 'transformers'] as const
export const devices = ['auto', 'cpu', 'cuda', 'webgpu'] as const

const judges = ['strict', 'olympiadbench', 'mathvision', 'mathvista', 'mmmu', 'dynamath', 'mv-math'] as const
export const judgeFlag = Flags.option({
  options: judges,
  default: 'strict' as const,
  description: `one of ${judges.join(', ')}`,
})()

export const dtypeFlag = Flags.string({
  helpGroup: 'MODEL',
  helpValue: 'DTYPE',
  description: "which of the Hub's variants of its graphs: fp16, q4, q4f16, …",
})

export const profileFlag = Flags.boolean({
  helpGroup: 'MODEL',
  description: 'at the end, tell the ten dearest nodes of the graphs',
})

export const modelFlags = {
  model: Flags.string({
    helpGroup: 'MODEL',
    required: true,
    helpValue: 'MODEL',
    description: 'a model folder, or a Hub id; with --base-url, the name that the server knows',
  }),
  adapter: Flags.string({
    helpGroup: 'MODEL',
    helpValue: 'DIR',
    description: 'a PEFT (LoRA) adapter to put on the model',
  }),
  dtype: dtypeFlag,
  engine: Flags.option({
    helpGroup: 'MODEL',
    options: engines,
    default: 'onnx' as const,
    description: 'our burst graph, or transformers.js',
  })(),
  device: Flags.option({
    helpGroup: 'MODEL',
    options: devices,
    default: 'auto' as const,
    description: 'auto: CUDA where it works',
  })(),
  profile: profileFlag,
}

export const samplingFlags = {
  temperature: Flags.custom<number>({
    helpGroup: 'SAMPLING',
    default: 1,
    helpValue: 'T',
    description: '0 is greedy',
    parse: number(0),
  })(),
  'top-p': Flags.custom<number>({
    helpGroup: 'SAMPLING',
    default: 1,
    helpValue: 'P',
    parse: number(0, 1),
    description: 'sample from the likeliest tokens that make up P',
  })(),
  'max-tokens': Flags.integer({
    helpGroup: 'SAMPLING',
    default: 32768,
    min: 1,
    helpValue: 'N',
    description: 'new tokens a sample at most',
  }),
  'batch-size': Flags.integer({
    helpGroup: 'SAMPLING',
    default: 32,
    min: 1,
    helpValue: 'N',
    description: 'samples that are made at once',
  }),
}

/** A parser of numbers from `min` to `max`. */
export function number(min: number, max = Number.POSITIVE_INFINITY) {
  return async (text: string): Promise<number> => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new UserError(
        `expected a number ${max === Number.POSITIVE_INFINITY ? `≥ ${min}` : `from ${min} to ${max}`}, got ${text}`,
        2,
      )
    return value
  }
}

/** The options of `runStage` out of parsed arguments and flags. */
export function stageOptions(
  input: string,
  flags: {
    output: string
    from?: Format
    to?: Format
    resume: boolean
    shard?: Shard
    limit?: number
    'retry-errors': boolean
    quiet: boolean
  },
): StageOptions {
  const { output, from, to, resume, shard, limit, quiet } = flags
  return { input, output, from, to, resume, shard, limit, retryErrors: flags['retry-errors'], quiet }
}

/** A command whose failures are told as the contract says. */
export abstract class SophiaCommand extends Command {
  /** Tells the error and sets the exit code; never ends the process, since rows may still be on their way out. */
  protected override async catch(error: Error & { exitCode?: number; code?: string }): Promise<void> {
    if (error.code === 'EPIPE') process.exit(0)
    process.exitCode = tell(error, this.id?.replaceAll(':', ' '))
  }
}

/** Writes what went wrong to standard error. @returns the exit code */
export function tell(error: Error, command = ''): number {
  const name = command ? `sophia ${command.replaceAll(':', ' ')}` : 'sophia'
  const usage =
    (error as Partial<Errors.CLIError>).oclif?.exit === 2 || (error instanceof UserError && error.exitCode === 2)
  if (!usage && !(error instanceof UserError) && !ofSystem(error)) {
    process.stderr.write(`${name}: this is our bug, please report it\n${error.stack ?? error}\n`)
    return 1
  }
  const text = error.message.replace(/^The following errors? occurred:\s*|\n?See more help with --help\s*$/g, '').trim()
  process.stderr.write(`${name}: ${text}\n${usage ? `Try: ${name} --help\n` : ''}`)
  return usage ? 2 : 1
}
