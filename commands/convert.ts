/** `sophia convert`: flags → src/models/convert.ts. */
import { Args, Flags } from '@oclif/core'
import { SophiaCommand } from '../src/cli.ts'
import { UserError } from '../src/errors.ts'

const dtypes = ['fp32', 'fp16', 'bf16', 'q4'] as const
const computes = ['fp32', 'fp16', 'bf16'] as const
const forms = ['onnx', 'safetensors'] as const

export default class Convert extends SophiaCommand {
  static override summary = 'Make a model folder of a Hugging Face checkpoint, and back.'
  static override description =
    `From config.json and (sharded) safetensors to a folder with ONNX graphs that point into the same weights, which are
shared with the checkpoint where the file system can. The graphs are run beside the source's before the folder is
called done. A tokenizer.json is made where there is none. --to safetensors gives the checkpoint back, tensor for tensor.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> fixtures/reasoner -o reasoner-q4 --dtype q4',
    '<%= config.bin %> <%= command.id %> fixtures/policy -o policy-bf16 --dtype bf16',
    '<%= config.bin %> <%= command.id %> policy-bf16 --to safetensors -o policy-checkpoint',
    '<%= config.bin %> <%= command.id %> Qwen/MODEL -o MODEL',
  ]
  static override args = {
    checkpoint: Args.string({
      name: 'CHECKPOINT',
      required: true,
      ignoreStdin: true,
      description: 'a folder with config.json and safetensors, or a Hub id',
    }),
  }
  static override flags = {
    output: Flags.string({ char: 'o', required: true, helpValue: 'FOLDER', description: 'the folder that is written' }),
    dtype: Flags.option({
      options: dtypes,
      description: 'what weights are stored in (default: as they are); q4: products in blocks of 4 bits',
    })(),
    compute: Flags.option({
      options: computes,
      default: 'fp32' as const,
      description: 'what products are computed in; halves are for CUDA',
    })(),
    'q4-head': Flags.boolean({ description: 'with q4: the product that makes the logits too' }),
    to: Flags.option({ options: forms, default: 'onnx' as const, description: 'the form that is written' })(),
    verify: Flags.boolean({
      default: true,
      allowNo: true,
      description: 'run the graphs beside those of the source (default: yes)',
    }),
    quiet: Flags.boolean({ char: 'q', description: 'nothing on standard error' }),
  }

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Convert)
    const { convert, extract } = await import('../src/models/convert.ts')
    const { output, dtype, compute, verify, 'q4-head': q4Head } = flags
    if (flags.to === 'safetensors') {
      if (dtype || compute !== 'fp32') {
        throw new UserError('--to safetensors gives the weights back as they are: leave out --dtype and --compute', 2)
      }
      return extract(args.checkpoint, output)
    }
    if (q4Head && dtype !== 'q4') throw new UserError('--q4-head: only with --dtype q4', 2)
    const say = flags.quiet ? () => {} : (line: string) => void process.stderr.write(`${line}\n`)
    await convert(args.checkpoint, output, { dtype, compute, q4Head, verify, say })
  }
}
