/**
 * A model folder with other weights: what training writes. Everything that is not weights is copied, so the next
 * command takes the result as its `--model`. A checkpoint in safetensors stays one; of a folder that has graphs only
 * (an export from the Hub), each graph gets its weights in a `.onnx_data` file beside it.
 */

import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Graph, type Tensor } from '../graph/ir.ts'
import { readModel, writeModel } from '../graph/proto.ts'
import type { HostTensor } from '../graph/session.ts'
import type { Compute } from './builders/index.ts'
import { type ModelFolder, stored, weightsOf } from './folder.ts'
import { type Checkpoint, tensorBytes, tensorOf } from './safetensors.ts'
import { copyPlain, wholeFolder, writeBuilt, writeWeights } from './write.ts'

type Weights = Map<string, HostTensor>

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
    await copyPlain(source.path, part)
    const { checkpoint, onnx } = source
    // Beside an export from the Hub there may be a checkpoint that its graphs know nothing of.
    const own = checkpoint?.folder === onnx
    await (own ? saveCheckpoint(source, checkpoint, part, weights) : saveGraphs(source, part, weights))
  }
  await wholeFolder(out, fill, options.overwrite)
}

/** The graphs are built anew over the new file. */
async function saveCheckpoint(source: ModelFolder, { tensors, folder }: Checkpoint, part: string, weights: Weights) {
  const merged = new Map(tensors)
  for (const [name, host] of weights) {
    const own = stored(name, tensors)
    merged.set(own, replaced(name, tensors.get(own), host))
  }
  const references = await writeWeights(part, merged, folder)
  const { metadata } = await source.graph(source.graphs[0])
  const find = weightsOf({ folder, tensors: references }, source.path)
  await writeBuilt(part, source.config, find, metadata.compute as Compute | undefined)
}

/** Beside the configs or in onnx/, as the source has them. */
async function saveGraphs({ graphs, graph, onnx, path }: ModelFolder, part: string, weights: Weights) {
  const place = onnx === path ? part : join(part, 'onnx')
  await mkdir(place, { recursive: true })
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
