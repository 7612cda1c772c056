/**
 * A model folder with other weights: what training writes. Everything that is not weights is copied, so the next
 * command takes the result as its `--model`. A checkpoint in safetensors stays one; of a folder that has graphs only
 * (an export from the Hub), each graph gets its weights in a `.onnx_data` file beside it.
 */

import { copyFile, open, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Graph, type Tensor } from '../graph/ir.ts'
import { modelOf, readModel, writeModel } from '../graph/proto.ts'
import type { HostTensor } from '../graph/session.ts'
import { buildGraphs } from './builders/index.ts'
import { classic, type ModelFolder, weightsOf } from './folder.ts'
import { type Checkpoint, tensorBytes, tensorOf } from './safetensors.ts'
import { wholeFolder, writeGraphs, writeWeights } from './write.ts'

type Weights = Map<string, HostTensor>

/** Files of a model folder that are not weights. */
const PLAIN = /\.(json|jinja|txt|model|md)$|^LICENSE/
const WEIGHTS = /\.safetensors|^adapter_|\.index\.json$/

/** Constants of fewer bytes stay inside the graph. */
const SMALL = 1024

/**
 * Writes `source` to `out` with `weights` in place of the tensors of the same names, whose dtypes they take.
 *
 * @param out must not exist, unless `overwrite`
 * @throws UserError where `out` exists; Error where a name is none of the model's or a shape differs
 */
export async function saveFolder(
  source: ModelFolder,
  out: string,
  weights: Weights,
  options: { overwrite?: boolean } = {},
): Promise<void> {
  const fill = async (part: string) => {
    for (const entry of await readdir(source.path, { withFileTypes: true })) {
      if (entry.isDirectory() || !PLAIN.test(entry.name) || WEIGHTS.test(entry.name)) continue
      await copyFile(join(source.path, entry.name), join(part, entry.name))
    }
    const { checkpoint, onnx } = source
    // Beside an export from the Hub there may be a checkpoint that its graphs know nothing of.
    const own = checkpoint?.folder === onnx
    await (own ? saveCheckpoint(source, checkpoint, part, weights) : saveGraphs(source, part, weights))
  }
  await wholeFolder(out, fill, options.overwrite)
}

/** The graphs are built anew over the new file. */
async function saveCheckpoint(
  { config, path }: ModelFolder,
  { tensors, folder }: Checkpoint,
  part: string,
  weights: Weights,
) {
  const merged = new Map(tensors)
  for (const [name, host] of weights) {
    const stored = tensors.has(name) ? name : classic(name)
    merged.set(stored, replaced(name, tensors.get(stored), host))
  }
  const references = await writeWeights(part, merged, folder)
  const graphs = buildGraphs(config, weightsOf({ folder, tensors: references }, path))
  await writeGraphs(part, Object.fromEntries(Object.entries(graphs).map(([name, graph]) => [name, modelOf(graph)])))
}

/** Beside the configs or in onnx/, as the source has them. */
async function saveGraphs({ graphs, graph, onnx, path }: ModelFolder, part: string, weights: Weights) {
  const place = onnx === path ? part : join(part, 'onnx')
  if (place === part) await rmdir(join(part, 'onnx'))
  const unknown = new Set(weights.keys())
  for (const name of graphs) {
    const model = readModel(writeModel(await graph(name))) // a copy, to be changed
    const file = `${name}.onnx_data`
    const out = await open(join(place, file), 'w')
    let offset = 0
    const rewrite = async (within: Graph) => {
      for (const [key, old] of within.initializers) {
        const host = weights.get(key)
        unknown.delete(key)
        const tensor = host ? replaced(key, old, host) : old
        const bytes = await tensorBytes(tensor, onnx)
        if (bytes.length < SMALL) {
          within.initializers.set(key, { dtype: tensor.dtype, shape: tensor.shape, data: bytes })
          continue
        }
        await out.writeFile(bytes)
        within.initializers.set(key, { dtype: tensor.dtype, shape: tensor.shape, file, offset, length: bytes.length })
        offset += bytes.length
      }
      for (const inner of within.nodes.flatMap(node => Object.values(node.attrs))) {
        if (inner instanceof Graph) await rewrite(inner)
      }
    }
    await rewrite(model.graph).finally(() => out.close())
    await writeFile(join(place, `${name}.onnx`), writeModel(model))
  }
  if (unknown.size > 0) throw new Error(`the model has no weight ${[...unknown].join(', ')}`)
}

function replaced(name: string, old: Tensor | undefined, host: HostTensor): Tensor {
  if (!old) throw new Error(`the model has no weight ${name}`)
  if (old.shape.join() !== host.shape.join()) {
    throw new Error(`weight ${name}: expected shape [${old.shape}], got [${host.shape}]`)
  }
  return tensorOf(host, old.dtype)
}
