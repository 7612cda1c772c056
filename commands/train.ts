/** `sophia train`: flags → src/sophia/train.ts. */
import { Flags } from '@oclif/core'
import {
  devices,
  dtypeFlag,
  imageFlags,
  inputArgument,
  number,
  profileFlag,
  rowFlags,
  SophiaCommand,
} from '../src/cli.ts'
import { UserError } from '../src/errors.ts'

const computes = ['fp32', 'fp16', 'bf16'] as const

function betasOf(text: string): [number, number] {
  const parts = text.split(',').map(Number)
  if (parts.length !== 2 || !parts.every(beta => beta >= 0 && beta < 1))
    throw new UserError(`--betas: expected two numbers from 0 to below 1, as in 0.9,0.95; got ${text}`, 2)
  return parts as [number, number]
}

export default class Train extends SophiaCommand {
  static override summary = 'Update the policy on rewarded trajectories.'
  static override description =
    `Learns trajectory.text from picture and question, weighted by credit.reward, or verdict.reward (rows with 0 are dropped); also rows
with prompt and completion, or messages, and a reward or weight. Writes a whole model folder, and one JSON line a step.
The paper's settings are the defaults: AdamW, lr 2e-5 down to a quarter by cosine, weight decay 0.05, batch 512.`
  static override examples = [
    `$ echo '{"prompt":"2+3?","completion":"It is \\\\boxed{5}."}' | <%= config.bin %> <%= command.id %> --model fixtures/reasoner -o reasoner-1`,
    `$ echo '{"prompt":"2+3?","completion":"It is \\\\boxed{5}."}' | <%= config.bin %> <%= command.id %> --model fixtures/reasoner -o reasoner-1 --recompute --dry-run`,
    '<%= config.bin %> <%= command.id %> credited.jsonl --model fixtures/policy -o policy-1 --batch-size 32 --lr 1e-3 --epochs 4',
    '<%= config.bin %> <%= command.id %> mixed.parquet --model MODEL -o MODEL-2 --lora 16 --log steps.jsonl --resume',
  ]
  static override args = { input: inputArgument }
  static override flags = {
    model: Flags.string({ required: true, helpValue: 'MODEL', description: 'a model folder, or a Hub id' }),
    dtype: { ...dtypeFlag, helpGroup: undefined },
    output: Flags.string({
      char: 'o',
      required: true,
      helpValue: 'FOLDER',
      description: 'the folder that is written; checkpoints lie in FOLDER.part until then',
    }),
    lr: Flags.custom<number>({ default: 2e-5, helpValue: 'LR', parse: number(0), description: 'peak learning rate' })(),
    'lr-floor': Flags.custom<number>({
      default: 0.25,
      helpValue: 'SHARE',
      parse: number(0, 1),
      description: 'what is left of it at the end',
    })(),
    warmup: Flags.custom<number>({
      default: 0.03,
      helpValue: 'N',
      parse: number(0),
      description: 'steps of warm-up, or below 1 their share of the run',
    })(),
    'weight-decay': Flags.custom<number>({
      default: 0.05,
      helpValue: 'W',
      parse: number(0),
      description: 'of matrices',
    })(),
    betas: Flags.string({ default: '0.9,0.95', helpValue: 'B1,B2', description: "AdamW's decay rates" }),
    clip: Flags.custom<number>({
      default: 1,
      helpValue: 'NORM',
      parse: number(0),
      description: 'greatest norm of the gradient; 0 for any',
    })(),
    'batch-size': Flags.integer({ default: 512, min: 1, helpValue: 'N', description: 'sequences a step' }),
    epochs: Flags.custom<number>({
      default: 1,
      helpValue: 'N',
      parse: number(0),
      description: 'times over the rows',
    })(),
    'max-steps': Flags.integer({ min: 1, helpValue: 'N', description: 'steps at most' }),
    'micro-tokens': Flags.integer({
      min: 1,
      helpValue: 'N',
      description: 'tokens that are worked on at once (default: 1024 on the CPU, 8192 on a GPU)',
    }),
    'max-length': Flags.integer({
      default: 32768,
      min: 2,
      helpValue: 'N',
      description: 'longer examples are left out',
    }),
    lora: Flags.integer({ min: 1, helpValue: 'RANK', description: 'train low-rank adapters instead of the weights' }),
    'lora-alpha': Flags.custom<number>({
      helpValue: 'A',
      dependsOn: ['lora'],
      parse: number(0),
      description: 'their scale (default: 2 RANK)',
    })(),
    compute: Flags.option({
      options: computes,
      description: 'what products are computed in; what is trained stays in fp32 (default: fp32, on CUDA what weights are stored in)', // biome-ignore format: one thought
    })(),
    recompute: Flags.boolean({
      description: "keep only each layer's input and work the layer out again on the way back: a third slower, far less memory", // biome-ignore format: one thought
    }),
    'offload-optimizer': Flags.boolean({
      description:
        "keep AdamW's moments in a file in FOLDER.part in place of memory, a GPU's too: half of what full training takes, or more",
    }),
    'dry-run': Flags.boolean({ description: 'only say what memory it will take and how long a sequence may be' }),
    memory: Flags.custom<number>({
      helpValue: 'GIB',
      dependsOn: ['dry-run'],
      parse: number(0),
      description: 'memory that --dry-run fits sequences into (default: what is free)',
    })(),
    'train-vision': Flags.boolean({ description: 'train the vision tower too' }),
    'save-every': Flags.integer({ default: 50, min: 1, helpValue: 'N', description: 'steps between checkpoints' }),
    seed: Flags.integer({
      default: 0,
      helpValue: 'SEED',
      description: 'the order of the rows and the start of adapters follow from it',
    }),
    device: Flags.option({ options: devices, default: 'auto' as const, description: 'auto: CUDA where it works' })(),
    threads: Flags.integer({ default: 0, min: 0, helpValue: 'N', description: 'on the CPU (default: all cores)' }),
    profile: { ...profileFlag, helpGroup: undefined },
    log: Flags.string({ helpValue: 'FILE', description: 'where the lines go (default: standard output)' }),
    ...imageFlags,
    from: rowFlags.from,
    limit: { ...rowFlags.limit, description: 'only the first ROWS input rows' },
    resume: Flags.boolean({ description: 'go on from the last checkpoint in FOLDER.part, with the same settings' }),
    quiet: rowFlags.quiet,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Train)
    if (flags.lora && flags['train-vision'])
      throw new UserError('--lora trains adapters of the language model only: leave --train-vision out', 2)
    const { handOver } = await import('../src/train/process.ts')
    const code = flags['dry-run'] ? undefined : await handOver()
    if (code !== undefined) {
      process.exitCode = code
      return
    }
    const { runTrain } = await import('../src/sophia/train.ts')
    process.exitCode = await runTrain({
      input: args.input,
      from: flags.from,
      limit: flags.limit,
      images: flags.images,
      allowRemote: flags['allow-remote'],
      model: flags.model,
      dtype: flags.dtype,
      output: flags.output,
      resume: flags.resume,
      lr: flags.lr,
      lrFloor: flags['lr-floor'],
      warmup: flags.warmup,
      weightDecay: flags['weight-decay'],
      betas: betasOf(flags.betas),
      clip: flags.clip,
      batchSize: flags['batch-size'],
      epochs: flags.epochs,
      maxSteps: flags['max-steps'],
      microTokens: flags['micro-tokens'],
      maxLength: flags['max-length'],
      lora: flags.lora ? { rank: flags.lora, alpha: flags['lora-alpha'] ?? 2 * flags.lora } : undefined,
      compute: flags.compute,
      recompute: flags.recompute,
      offloadOptimizer: flags['offload-optimizer'],
      dryRun: flags['dry-run'],
      memory: flags.memory,
      trainVision: flags['train-vision'],
      saveEvery: flags['save-every'],
      seed: flags.seed,
      device: flags.device,
      threads: flags.threads,
      log: flags.log,
      profile: flags.profile,
      quiet: flags.quiet,
    })
  }
}
