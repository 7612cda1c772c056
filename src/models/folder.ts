/**
 * A model folder, as the Hub and transformers.js lay it out, opened for reading: its configs, the sizes of its decoder,
 * its graphs. A plain checkpoint (config.json and model.safetensors, no onnx/) of an architecture that has a builder
 * will do as well: its graphs are then built in memory, their initializers pointing into the checkpoint.
 */

import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import type { Model } from '../graph/ir.ts'
import { modelOf, readModel } from '../graph/proto.ts'
import { adapted } from './adapter.ts'
import { buildGraphs, type Compute, type Find } from './builders/index.ts'
import { type Config, type Decoder, decoderOf, eosOf, genaiConfig, imageTokenOf, readJson } from './config.ts'
import { completed } from './defaults.ts'
import { settled } from './foreign.ts'
import { resolveModel } from './hub.ts'
import { type Checkpoint, openCheckpoint } from './safetensors.ts'
import { type Dtypes, dtypesOf, GRAPHS, graphsIn, variants } from './variants.ts'

export interface ModelFolder {
  /** Absolute. */
  path: string
  /** Where the graphs' external data lie: `openSession`'s `folder`. Absolute. */
  onnx: string
  config: Config
  generationConfig: Record<string, unknown>
  kind: 'vlm' | 'lm'
  /** Names of the graphs: vision_encoder, embed_tokens and decoder_model_merged, or model, or decoder_model_merged alone. */
  graphs: string[]
  /** A graph, parsed once: do not change it, `inline` it. Its initializers are external, in `onnx`. */
  graph(name: string): Promise<Model>
  decoder: Decoder
  /** Tokens that end a response; may be empty. */
  eos: number[]
  /** The placeholder that stands for one image feature. */
  imageToken?: number
  /** Which variant of the graphs was asked for. */
  dtype?: string
  /** The safetensors checkpoint, where the folder has one. */
  checkpoint?: Checkpoint
}

export interface FolderOptions {
  /** Which of the Hub's variants: `fp16` reads `decoder_model_merged_fp16.onnx`. Default: see variants.ts. */
  dtype?: string
  /** A PEFT adapter that its graphs are to have. */
  adapter?: string
  /** Build the graphs from the checkpoint, whatever `onnx/` has; of a Hub id, fetch the checkpoint. */
  checkpoint?: boolean
  /** What graphs that are built compute in; single precision where absent. */
  compute?: Compute
}

/** Opens a folder or a Hub id. Throws a UserError that says what is missing and what to do. */
export async function openFolder(idOrPath: string, options: FolderOptions = {}): Promise<ModelFolder> {
  const path = resolve(await resolveModel(idOrPath, options))
  const held = (await readJson<Config>(path, 'config.json')) ?? (await genaiConfig(path))
  if (!held) {
    const adapter = existsSync(join(path, 'adapter', 'adapter_config.json'))
    const advice = adapter ? `, only an adapter: give the model that it was trained on, and --adapter ${join(path, 'adapter')}` : '' // biome-ignore format: one thought
    throw new UserError(`${path}: expected a model folder, found no config.json in it${advice}`)
  }
  if (typeof held.model_type !== 'string') {
    throw new UserError(`${join(path, 'config.json')}: expected a model_type, got ${held.model_type}`)
  }
  const generationConfig = (await readJson(path, 'generation_config.json')) ?? {}
  const checkpoint = await openCheckpoint(path)
  const config = completed(held, checkpoint?.tensors.keys())
  const kind = config.vision_config ? 'vlm' : 'lm'
  const decoder = decoderOf(config, path)
  // Python's exporters put the graphs beside the configs.
  const beside =
    !checkpoint && graphsIn(kind, await readdir(path)).every(name => existsSync(join(path, `${name}.onnx`)))
  const onnx = existsSync(join(path, 'onnx')) ? join(path, 'onnx') : beside ? path : undefined
  const ready = !options.checkpoint && onnx
  const source = ready
    ? await files(onnx, kind, decoder, options.dtype ?? dtypesOf(config), checkpoint)
    : built(path, config, checkpoint ?? (await absent(path, options.checkpoint)), kind, options.compute)
  const imageToken = kind === 'vlm' ? await imageTokenOf(path, config) : undefined
  const folder: ModelFolder = {
    path,
    config,
    generationConfig,
    kind,
    decoder,
    eos: await eosOf(path, config, generationConfig),
    ...(imageToken !== undefined && { imageToken }),
    ...(options.dtype && { dtype: options.dtype }),
    ...(checkpoint && { checkpoint }),
    ...source,
  }
  return options.adapter ? adapted(folder, options.adapter) : folder
}

type Source = Pick<ModelFolder, 'onnx' | 'graph' | 'graphs'>

/** Graphs from files. */
async function files(
  onnx: string,
  kind: 'vlm' | 'lm',
  decoder: Decoder,
  dtype: Dtypes,
  checkpoint?: Checkpoint,
): Promise<Source> {
  const present = (await readdir(onnx)).filter(file => file.endsWith('.onnx')).sort()
  const graphs = graphsIn(kind, present)
  const fileOf = variants(graphs, present, dtype)
  const missing = graphs.map(fileOf).filter(file => !present.includes(file))
  if (missing.length > 0) {
    const found = present.length ? `found ${present.join(', ')}` : 'found no .onnx file'
    const others = present.some(file => file.startsWith(`${graphs[0]}_`)) ? '. Choose a variant by --dtype' : ''
    throw new UserError(`${onnx}: expected ${missing.join(', ')} of a ${kind} model; ${found}${others}`)
  }
  const parsed = new Map<string, Promise<Model>>()
  const read = async (name: string) => {
    const apart = graphs.length > 1 ? name : undefined
    return settled(readModel(await readFile(join(onnx, fileOf(name)))), decoder, apart, checkpoint?.tensors)
  }
  return { onnx, graphs, graph: name => once(parsed, name, () => read(name)) }
}

/** Graphs built over the checkpoint. */
function built(path: string, config: Config, checkpoint: Checkpoint, kind: 'vlm' | 'lm', compute?: Compute): Source {
  const graphs = placed(path, () => buildGraphs(config, weightsOf(checkpoint, path), compute))
  const made = new Map<string, Promise<Model>>()
  return {
    onnx: checkpoint.folder,
    graphs: GRAPHS[kind][0],
    graph: name => once(made, name, async () => modelOf(graphs[name])),
  }
}

/** What is wrong with the config, with its place. */
function placed<T>(path: string, build: () => T): T {
  try {
    return build()
  } catch (error) {
    const { message } = error as Error
    if (error instanceof UserError && message.startsWith('config.json:')) throw new UserError(join(path, message))
    throw error
  }
}

/** @throws UserError that says what lies there in place of a checkpoint */
async function absent(path: string, graphsWillNotDo = false): Promise<never> {
  const found = (await readdir(path)).filter(name => /^onnx$|\.(safetensors|bin|pth?|gguf)$/.test(name)).sort()
  const has = (ending: RegExp) => found.some(name => ending.test(name))
  const advice = has(/safetensors$/)
    ? '. Shards need their model.safetensors.index.json: fetch it too'
    : has(/\.(bin|pth?|gguf)$/)
      ? '. Save the weights as safetensors first'
      : has(/^onnx$/)
        ? '. Start from the checkpoint that the graphs were made from'
        : ''
  const expected = `${graphsWillNotDo ? '' : 'onnx/*.onnx or '}model.safetensors beside config.json`
  const what = found.length > 4 ? `${found.slice(0, 3).join(', ')} and ${found.length - 3} more` : found.join(', ')
  throw new UserError(`${path}: expected ${expected}, found ${what || 'no weights'}${advice}`)
}

/** The builders' way into a checkpoint. Throws a UserError for a tensor that is absent or of another shape. */
export function weightsOf(checkpoint: Checkpoint, path: string): Find {
  return (name, shape) => {
    const tensor = checkpoint.tensors.get(stored(name, checkpoint.tensors))
    if (!tensor) throw new UserError(`${path}: the checkpoint has no tensor ${name}, which its config.json asks for`)
    if (tensor.shape.join() !== shape.join()) {
      throw new UserError(`${path}: tensor ${name}: expected shape [${shape}] by config.json, got [${tensor.shape}]`)
    }
    return tensor
  }
}

/** Beginnings of names as builders have them, and as some checkpoints do. */
const OTHERS: [string, string][] = [
  ['vision_tower.', 'vision_tower.vision_model.'], // LLaVA's, before transformers 5
  ['vision_tower.', 'model.vision_tower.'], // and under the names of PyTorch's modules
  ['vision_tower.', 'model.vision_tower.vision_model.'],
  ['multi_modal_projector.', 'model.multi_modal_projector.'],
  ['image_newline', 'model.image_newline'],
  ['language_model.model.', 'model.language_model.'],
  ['language_model.lm_head.', 'lm_head.'],
  ['visual.', 'model.visual.'], // Qwen2-VL's
  ['model.', 'model.language_model.'],
]

/** The name that a checkpoint has for a tensor: the first of several known ones that is among `names`. */
export function stored(name: string, names: { has(name: string): boolean }): string {
  if (names.has(name)) return name
  const others = OTHERS.filter(([start]) => name.startsWith(start)).map(([from, to]) => to + name.slice(from.length))
  return others.find(other => names.has(other)) ?? name
}

function once<K, V>(cache: Map<K, V>, key: K, make: () => V): V {
  if (!cache.has(key)) cache.set(key, make())
  return cache.get(key)!
}
