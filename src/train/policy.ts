/**
 * What of a model folder is trained: the language backbone and the projector by default, the vision tower too on
 * request, or low-rank adapters on the backbone alone.
 */

import { UserError } from '../errors.ts'
import { type Graph, type Node, sizeOf, type Tensor } from '../graph/ir.ts'
import type { HostTensor } from '../graph/session.ts'
import type { Compute } from '../models/builders/index.ts'
import { type ModelFolder, openFolder } from '../models/folder.ts'
import { branchOf } from '../models/foreign.ts'
import { openPictures, positionAxes } from '../models/pictures/pictures.ts'
import { loadTensor } from '../models/safetensors.ts'
import type { Parts } from './forward.ts'
import { learnable } from './learnable.ts'
import { type Adapter, type LoraOptions, withAdapters } from './lora.ts'
import type { Reading } from './micro.ts'
import { inSingle } from './single.ts'
import { decays, type Trained } from './step.ts'
import { trainable } from './weights.ts'

export interface PolicyOptions {
  trainVision: boolean
  lora?: LoraOptions
  /** What products are computed in; trained weights and sums of gradients are in single precision in any case. */
  compute?: Compute
}

export interface Policy {
  parts: Parts
  trained: Trained[]
  /** With LoRA: what stands beside which weight. */
  adapters: Adapter[]
  reading: Reading
  /** Where the tensors lie that its graphs point to. */
  onnx: string
  compute: Compute
  /** Whether its graphs are not the folder's own, which compute in something else. */
  rebuilt: boolean
}

/** Weights of the bridge from tower to backbone, in the architectures' several names. */
const PROJECTOR = /projector|mlp1\.|connector|visual\.merger|image_newline/

export async function openPolicy(folder: ModelFolder, options: PolicyOptions): Promise<Policy> {
  const { trainVision, lora, compute = 'float32' } = options
  const source = await computing(folder, compute)
  const parts = await partsOf(source)
  const how = { compute, rebuilt: source !== folder }
  refuseQuantized(parts, folder, lora !== undefined)
  if (lora) {
    const which = parts.decoder_model_merged ? 'decoder_model_merged' : 'model'
    const { graph, adapters } = withAdapters(parts[which]!, lora)
    if (adapters.length === 0) throw new UserError(`--lora: ${folder.path} has no weight that takes an adapter`)
    const trained = adapters.flatMap(({ a, b }) => [a, b]).map(({ name, start }) => ({ name, start, decays: true }))
    return policyOf({ ...parts, [which]: graph }, trained, adapters, source, how)
  }
  const weights = new Map<string, Tensor>()
  const { vision_encoder: tower, ...text } = parts
  for (const part of Object.values(text)) for (const [name, tensor] of trainable(part)) weights.set(name, tensor)
  const seen = tower && trainable(tower, name => trainVision || PROJECTOR.test(name))
  for (const [name, tensor] of seen ?? []) weights.set(name, tensor)
  if (weights.size === 0) throw new UserError(`${folder.path}: no trainable weights in its graphs (quantized?)`)
  const trained = [...weights].map(([name, start]) => ({ name, start, decays: decays(name, start.shape) }))
  if (compute !== 'float32')
    for (const name of Object.keys(parts) as (keyof Parts)[]) parts[name] = inSingle(parts[name]!, weights)
  return policyOf(parts, trained, [], source, how)
}

async function policyOf(
  raw: Parts,
  trained: Trained[],
  adapters: Adapter[],
  folder: ModelFolder,
  how: Pick<Policy, 'compute' | 'rebuilt'>,
): Promise<Policy> {
  const parts = learnable(raw, trained, how.compute !== 'float32')
  return { parts, trained, adapters, reading: await readingOf(parts, folder), onnx: folder.onnx, ...how }
}

/** Products of weights that are neither floats nor, as MatMulNBits', taken apart for the gradient. */
const INTEGERS = new Set(['MatMulInteger', 'ConvInteger', 'MatMulBnb4', 'QLinearMatMul'])

function refuseQuantized(parts: Parts, { path }: ModelFolder, beside: boolean): void {
  const find = (wanted: (node: Node, part: Graph) => boolean) =>
    Object.values(parts as Record<string, Graph>).flatMap(part => part.nodes.filter(node => wanted(node, part)))[0]
  const fixed = find(({ op }) => INTEGERS.has(op))
  if (fixed)
    throw new UserError(
      `${path}: its weights are quantized (${fixed.op} at node ${fixed.name}) in a way that no gradient goes through. ` +
        'Choose a variant in floats, or q4 with --lora, by --dtype',
    )
  if (beside) return
  const inBytes = ({ op, inputs }: Node, part: Graph) => op === 'DequantizeLinear' && part.initializers.has(inputs[0])
  const node = find((each, part) => each.op === 'MatMulNBits' || inBytes(each, part))
  if (!node) return
  throw new UserError(
    `${path}: its weights are quantized (${node.op} at node ${node.name}) and cannot be trained themselves. ` +
      'Train adapters beside them with --lora RANK, or choose a variant in floats by --dtype',
  )
}

/** The graphs as the folder has them, or would have them if they computed in `compute`. */
export const openParts = async (folder: ModelFolder, compute: Compute = 'float32'): Promise<Parts> =>
  partsOf(await computing(folder, compute))

async function partsOf(folder: ModelFolder): Promise<Parts> {
  const graphs = await Promise.all(
    folder.graphs.map(async name => [name, branchOf((await folder.graph(name)).graph, false)] as const),
  )
  return Object.fromEntries(graphs)
}

/** The folder with graphs that compute in `compute`, built from its checkpoint where its own do otherwise. */
async function computing(folder: ModelFolder, compute: Compute): Promise<ModelFolder> {
  const own = await computeOf(folder)
  if (own === compute) return folder
  if (folder.checkpoint && !folder.dtype) return openFolder(folder.path, { checkpoint: true, compute })
  if (compute === 'float32') return folder
  throw new UserError(
    `--compute: ${folder.path} has graphs that compute in ${own}, and no checkpoint to build others from. ` +
      'Start from the checkpoint, or leave --compute out',
    2,
  )
}

/** As our own graphs say; of others, by their first product. */
async function computeOf(folder: ModelFolder): Promise<Compute> {
  const { graph: held, metadata } = await folder.graph(folder.graphs.at(-1)!)
  const graph = branchOf(held, false)
  const product = graph.nodes.find(({ op }) => op === 'MatMul' || op === 'MatMulNBits')
  return (metadata.compute ?? (product ? graph.type(product.outputs[0]).dtype : 'float32')) as Compute
}

/** What the weights of a folder are stored in, by their bytes: what a GPU computes in if nobody says otherwise. */
export async function storedIn(folder: ModelFolder): Promise<Compute> {
  if (!folder.checkpoint) return computeOf(folder)
  const bytes = new Map<string, number>()
  for (const { dtype, shape } of folder.checkpoint.tensors.values())
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + sizeOf(shape))
  const [most] = [...bytes].sort(([, a], [, b]) => b - a)[0] ?? []
  return most === 'float16' || most === 'bfloat16' ? most : 'float32'
}

/** The weights to start from, in single precision and in memory of their own. */
export async function startingWeights({ trained, onnx }: Policy): Promise<Map<string, HostTensor>> {
  const own = (start: Tensor) => ('data' in start ? { ...start, data: start.data.slice() } : start)
  const loaded = trained.map(async ({ name, start }) => [name, await loadTensor(own(start), onnx, true)] as const)
  return new Map(await Promise.all(loaded))
}

/** How the model takes pictures and positions. */
async function readingOf({ vision_encoder: tower, ...parts }: Parts, folder: ModelFolder): Promise<Reading> {
  const axes = positionAxes((parts.decoder_model_merged ?? parts.model)!)
  if (!tower) return { axes }
  if (folder.imageToken === undefined) throw new UserError(`${folder.path}: its config.json names no image token`)
  const inputs = tower.inputs.map(name => ({ name, dtype: tower.type(name).dtype, shape: tower.shape(name)! }))
  const pictures = await openPictures(folder)
  const blank = pictures.blank?.() ?? (await pictures.vision([WHITE]))
  return { axes, eyes: { inputs, token: folder.imageToken, blank } }
}

/** A white picture, 32 × 32, as PNG. */
const WHITE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAFklEQVR42mP4TwAwjCoYVTCqYKQqAAA/aPwuqUTQyAAAAABJRU5ErkJggg==',
  'base64',
)
