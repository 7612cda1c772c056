/**
 * From a Hugging Face checkpoint to a model folder and back. The folder's graphs point into the checkpoint's own files,
 * which are shared with it where the file system can; casting and quantizing go through them piece by piece. A folder
 * is only called done when its graphs have been run beside those that the source would give.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import type { Model } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { buildGraphs, type Compute } from './builders/index.ts'
import { type Config, readJson } from './config.ts'
import { writeConversation } from './conversation.ts'
import { type ModelFolder, openFolder, weightsOf } from './folder.ts'
import type { Float } from './half.ts'
import { resolveModel } from './hub.ts'
import { quantizeGraph } from './quantize.ts'
import { type Checkpoint, openCheckpoint } from './safetensors.ts'
import { bareShards, placeShards } from './shards.ts'
import { writeTokenizer } from './tokenizers/tokenizer.ts'
import { compare, type Difference, type Graphs, noisePicture } from './verify.ts'
import { copyPlain, wholeFolder, writeBuilt, writeFiles, writeGraphs } from './write.ts'

export interface ConvertOptions {
  /** What weights are stored in; without it as they are. q4: products in blocks of four bits, the rest as it is. */
  dtype?: 'fp32' | 'fp16' | 'bf16' | 'q4'
  /** What products are computed in. */
  compute?: 'fp32' | 'fp16' | 'bf16'
  /** Whether q4 takes in the product that makes the logits. */
  q4Head?: boolean
  /** Whether graphs are run before the folder is called done. */
  verify?: boolean
  say?: (line: string) => void
}

const FLOATS: Record<string, Compute & Float> = { fp32: 'float32', fp16: 'float16', bf16: 'bfloat16' }

/**
 * Makes a model folder of a checkpoint, or of a model folder that has one.
 *
 * @param from a folder or a Hub id
 * @param out must not exist
 * @throws UserError where there is no checkpoint, no builder for it, or a weight that the dtype cannot hold
 */
export async function convert(from: string, out: string, options: ConvertOptions = {}): Promise<Difference[]> {
  const { dtype, verify = true, say = () => {} } = options
  const compute = FLOATS[options.compute ?? 'fp32']
  const source = await openFolder(from, { checkpoint: true })
  if (dtype === 'q4' && compute === 'bfloat16') throw new UserError('--compute bf16: not with --dtype q4; take fp16', 2)
  const as = dtype && dtype !== 'q4' ? FLOATS[dtype] : undefined
  let differences: Difference[] = []
  await wholeFolder(out, async part => {
    await copyPlain(source.path, part)
    await writeTokenizer(source.path, part, source.config)
    await writeConversation(part, source.config)
    if (dtype === 'q4') await writeQuantized(source, part, compute, options.q4Head ?? false)
    else {
      await placeShards(source.path, part, as)
      if (as) await writeFiles(part, { 'config.json': declared(source.config, as) })
      const checkpoint = (await openCheckpoint(part))!
      await writeBuilt(part, source.config, weightsOf(checkpoint, part), compute)
    }
    if (!verify) return
    const which = compute === 'bfloat16' ? 'its weights in single precision' : 'its graphs' // see check
    say(`written; running ${which} beside those of the source`)
    differences = await check(source, part, options, compute)
  })
  for (const line of differences.map(tell)) say(line)
  return differences
}

/**
 * The way back: the checkpoint of a model folder, with the files that Python wants beside it.
 *
 * @throws UserError where the folder has graphs only
 */
export async function extract(from: string, out: string): Promise<void> {
  const path = await resolveModel(from, { checkpoint: true })
  if (!(await readJson(path, 'config.json')))
    throw new UserError(`${path}: expected a model folder, found no config.json`)
  if (!(await openCheckpoint(path))) {
    throw new UserError(
      `${path}: expected a model folder with its weights in safetensors, as convert and train write it; found graphs ` +
        'only, whose weights are quantized, or transposed and renamed by the export. Start from the checkpoint.',
    )
  }
  await wholeFolder(out, async part => {
    await copyPlain(path, part)
    await bareShards(path, part)
  })
}

/** The config with its weights' dtype told anew, under the name that it had. */
function declared(config: Config, dtype: Float): Config {
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype'
  return { ...config, [key]: dtype }
}

async function writeQuantized(source: ModelFolder, part: string, compute: Compute, head: boolean): Promise<void> {
  const checkpoint = source.checkpoint!
  const graphs = buildGraphs(source.config, weightsOf(checkpoint, source.path), compute)
  await mkdir(join(part, 'onnx'))
  for (const [name, graph] of Object.entries(graphs)) {
    await quantizeGraph(graph, checkpoint.folder, join(part, 'onnx'), `${name}_q4.onnx_data`, head)
    await writeGraphs(part, { [`${name}_q4`]: modelOf(graph, { compute }) })
  }
}

/** Runs the graphs of `part` beside those that the source's weights give in single precision. */
async function check(source: ModelFolder, part: string, { dtype }: ConvertOptions, compute: Compute) {
  const folder = await openFolder(part)
  const { graphs: names, graph, onnx, checkpoint } = folder
  // The CPU has no products in bfloat16: there the weights are tried in single precision.
  const made = compute === 'bfloat16' ? graphsOver(source.config, checkpoint!, part) : { names, graph, onnx }
  const expected = graphsOver(source.config, source.checkpoint!, source.path)
  const differences = await compare(expected, made, await noisePicture(folder))
  for (const { output, finite, relative } of differences) {
    if (!finite)
      throw new UserError(`${output}: infinite or no numbers in ${compute}. Take another --dtype or --compute.`)
    if (!dtype && compute === 'float32' && relative > 0)
      throw new Error(`${output}: differs from the source's by ${relative}`)
  }
  return differences
}

function graphsOver(config: Config, checkpoint: Checkpoint, path: string): Graphs {
  const built = buildGraphs(config, weightsOf(checkpoint, path))
  const graph = async (name: string): Promise<Model> => modelOf(built[name])
  return { names: Object.keys(built), graph, onnx: checkpoint.folder }
}

function tell({ output, relative, run }: Difference): string {
  if (!run) return `${output}: opened in ONNX Runtime, not run`
  if (relative === 0) return `${output}: equal to the source's`
  return `${output}: ${(100 * relative).toPrecision(2)}% off the source's (root mean square)`
}
