/**
 * What of a model folder is trained: the language backbone and the projector by default, the vision tower too on
 * request, or low-rank adapters on the backbone alone.
 */

import { UserError } from '../errors.ts'
import type { Graph, Tensor } from '../graph/ir.ts'
import type { HostTensor } from '../graph/session.ts'
import type { ModelFolder } from '../models/folder.ts'
import { loadTensor } from '../models/safetensors.ts'
import type { Parts } from './forward.ts'
import { type Adapter, type LoraOptions, withAdapters } from './lora.ts'
import { decays, type Trained } from './step.ts'

export interface PolicyOptions {
  trainVision: boolean
  lora?: LoraOptions
}

export interface Policy {
  parts: Parts
  trained: Trained[]
  /** With LoRA: what stands beside which weight. */
  adapters: Adapter[]
  /** (C, H, W) and the token that stands for a patch, where the model sees. */
  picture?: { shape: number[]; token: number }
}

/** Weights of the bridge from tower to backbone, in the architectures' several names. */
const PROJECTOR = /projector|mlp1\.|connector|visual\.merger/

export async function openPolicy(folder: ModelFolder, { trainVision, lora }: PolicyOptions): Promise<Policy> {
  const parts: Parts = {}
  const names = folder.kind === 'vlm' ? (['vision_encoder', 'embed_tokens', 'decoder_model_merged'] as const) : (['model'] as const) // biome-ignore format: one thought
  for (const name of names) parts[name] = (await folder.graph(name)).graph
  const picture = parts.vision_encoder && pictureOf(parts.vision_encoder, folder)
  if (lora) {
    const which = parts.decoder_model_merged ? 'decoder_model_merged' : 'model'
    const { graph, adapters } = withAdapters(parts[which]!, lora)
    if (adapters.length === 0) throw new UserError(`--lora: ${folder.path} has no weight that takes an adapter`)
    const trained = adapters.flatMap(({ a, b }) => [a, b]).map(({ name, start }) => ({ name, start, decays: true }))
    return { parts: { ...parts, [which]: graph }, trained, adapters, picture }
  }
  const weights = new Map<string, Tensor>()
  for (const part of [parts.embed_tokens, parts.decoder_model_merged, parts.model]) collect(weights, part)
  collect(weights, parts.vision_encoder, name => trainVision || PROJECTOR.test(name))
  if (weights.size === 0) throw new UserError(`${folder.path}: no trainable weights in its graphs (quantized?)`)
  const trained = [...weights].map(([name, start]) => ({ name, start, decays: decays(name, start.shape) }))
  return { parts, trained, adapters: [], picture }
}

/** The weights to start from, in single precision and in memory of their own. */
export async function startingWeights(trained: Trained[], folder: ModelFolder): Promise<Map<string, HostTensor>> {
  const own = (start: Tensor) => ('data' in start ? { ...start, data: start.data.slice() } : start)
  const loaded = trained.map(
    async ({ name, start }) => [name, await loadTensor(own(start), folder.onnx, true)] as const,
  )
  return new Map(await Promise.all(loaded))
}

/** Weights have names from a checkpoint; what graphs hold beside them (constants, tables) has not. */
function collect(into: Map<string, Tensor>, part: Graph | undefined, wanted = (_: string) => true): void {
  for (const [name, tensor] of part?.initializers ?? []) {
    if (/\.(weight|bias)$/.test(name) && /^b?float/.test(tensor.dtype) && wanted(name)) into.set(name, tensor)
  }
}

function pictureOf(tower: Graph, folder: ModelFolder) {
  const shape = tower.shape('pixel_values')?.slice(1)
  if (!shape?.every(size => typeof size === 'number') || folder.imageToken === undefined)
    throw new UserError(`${folder.path}: training wants a vision encoder whose pictures are all of one size`)
  return { shape: shape as number[], token: folder.imageToken }
}
