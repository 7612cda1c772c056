/**
 * What of a model folder is trained: the language backbone and the projector by default, the vision tower too on
 * request, or low-rank adapters on the backbone alone.
 */

import { UserError } from '../errors.ts'
import type { Tensor } from '../graph/ir.ts'
import type { HostTensor } from '../graph/session.ts'
import { type ModelFolder, openFolder } from '../models/folder.ts'
import { openPictures, positionAxes } from '../models/pictures/pictures.ts'
import { loadTensor } from '../models/safetensors.ts'
import type { Parts } from './forward.ts'
import { learnable } from './learnable.ts'
import { type Adapter, type LoraOptions, withAdapters } from './lora.ts'
import type { Reading } from './micro.ts'
import { decays, type Trained } from './step.ts'
import { trainable } from './weights.ts'

export interface PolicyOptions {
  trainVision: boolean
  lora?: LoraOptions
}

export interface Policy {
  parts: Parts
  trained: Trained[]
  /** With LoRA: what stands beside which weight. */
  adapters: Adapter[]
  reading: Reading
}

/** Weights of the bridge from tower to backbone, in the architectures' several names. */
const PROJECTOR = /projector|mlp1\.|connector|visual\.merger|image_newline/

export async function openPolicy(folder: ModelFolder, { trainVision, lora }: PolicyOptions): Promise<Policy> {
  const parts = await openParts(folder)
  if (!lora) refuseQuantized(parts, folder)
  if (lora) {
    const which = parts.decoder_model_merged ? 'decoder_model_merged' : 'model'
    const { graph, adapters } = withAdapters(parts[which]!, lora)
    if (adapters.length === 0) throw new UserError(`--lora: ${folder.path} has no weight that takes an adapter`)
    const trained = adapters.flatMap(({ a, b }) => [a, b]).map(({ name, start }) => ({ name, start, decays: true }))
    return policyOf({ ...parts, [which]: graph }, trained, adapters, folder)
  }
  const weights = new Map<string, Tensor>()
  const { vision_encoder: tower, ...text } = parts
  for (const part of Object.values(text)) for (const [name, tensor] of trainable(part)) weights.set(name, tensor)
  const seen = tower && trainable(tower, name => trainVision || PROJECTOR.test(name))
  for (const [name, tensor] of seen ?? []) weights.set(name, tensor)
  if (weights.size === 0) throw new UserError(`${folder.path}: no trainable weights in its graphs (quantized?)`)
  const trained = [...weights].map(([name, start]) => ({ name, start, decays: decays(name, start.shape) }))
  return policyOf(parts, trained, [], folder)
}

async function policyOf(raw: Parts, trained: Trained[], adapters: Adapter[], folder: ModelFolder): Promise<Policy> {
  const parts = learnable(raw, trained)
  return { parts, trained, adapters, reading: await readingOf(parts, folder) }
}

function refuseQuantized(parts: Parts, { path }: ModelFolder): void {
  const node = Object.values(parts).flatMap(part => part.nodes).find(({ op }) => op === 'MatMulNBits') // biome-ignore format: one thought
  if (!node) return
  throw new UserError(
    `${path}: its weights are quantized (MatMulNBits at node ${node.name}) and cannot be trained themselves. ` +
      'Train adapters beside them with --lora RANK, or choose a variant in floats by --dtype',
  )
}

/** The graphs as the folder has them. */
export async function openParts(folder: ModelFolder): Promise<Parts> {
  const source = await inSingle(folder)
  const graphs = await Promise.all(folder.graphs.map(async name => [name, (await source.graph(name)).graph] as const))
  return Object.fromEntries(graphs)
}

/** Graphs that compute in half precision give way to those of their checkpoint that do not: gradients would vanish. */
async function inSingle(folder: ModelFolder): Promise<ModelFolder> {
  const { compute = 'float32' } = (await folder.graph(folder.graphs[0])).metadata
  return compute === 'float32' || !folder.checkpoint ? folder : openFolder(folder.path, { checkpoint: true })
}

/** The weights to start from, in single precision and in memory of their own. */
export async function startingWeights(trained: Trained[], folder: ModelFolder): Promise<Map<string, HostTensor>> {
  const own = (start: Tensor) => ('data' in start ? { ...start, data: start.data.slice() } : start)
  const loaded = trained.map(
    async ({ name, start }) => [name, await loadTensor(own(start), folder.onnx, true)] as const,
  )
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
