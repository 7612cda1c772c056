/**
 * LoRA adapters in PEFT's form: adapter_config.json and adapter_model.safetensors, whose names are those of PyTorch's
 * modules. In a vision-language model these differ from the checkpoint's names, which are older.
 */

import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import type { Model } from '../graph/ir.ts'
import type { HostTensor } from '../graph/session.ts'
import { type Config, readJson } from './config.ts'
import type { ModelFolder } from './folder.ts'
import { beside, type LowRank } from './lora.ts'
import { loadTensor, readSafetensors, tensorOf, writeSafetensors } from './safetensors.ts'
import { writeFiles } from './write.ts'

export interface AdapterSettings {
  rank: number
  /** What B A x is multiplied by is alpha / rank. */
  alpha: number
  /** The last parts of the adapted modules' names: q_proj, … */
  targets: string[]
}

type Table = [string, string][]

/** Checkpoint's beginnings of names against PyTorch's, for models with a vision tower. */
const MODULES: Table = [
  ['language_model.model.', 'model.language_model.'],
  ['multi_modal_projector.', 'model.multi_modal_projector.'],
  ['vision_tower.', 'model.vision_tower.'],
]
const QWEN: Table = [
  ['model.', 'model.language_model.'],
  ['visual.', 'model.visual.'],
]

const modulesOf = (config?: Config) => (/^qwen2(_5)?_vl$/.test(config?.model_type ?? '') ? QWEN : MODULES)

/**
 * Writes an adapter.
 *
 * @param weights with names `MODULE.lora_A.weight` (rank, in) and `MODULE.lora_B.weight` (out, rank), where
 *   `MODULE.weight` is a tensor of the checkpoint; other names are passed over
 */
export async function saveAdapter(
  dir: string,
  folder: ModelFolder,
  weights: Map<string, HostTensor>,
  { rank, alpha, targets }: AdapterSettings,
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const own = [...weights].flatMap(([name, host]) =>
    /\.lora_[AB]\.weight$/.test(name) ? [[inFolder(folder, name), host] as const] : [],
  )
  // The authors' code has its modules called as in the checkpoint.
  const table = folder.config.model_type === 'internvl_chat' ? [] : modulesOf(folder.config)
  const modules = own.map(([name]) => renamed(name.replace(/\.lora_[AB]\.weight$/, ''), table))
  await writeFiles(dir, {
    'adapter_config.json': {
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: folder.path,
      r: rank,
      lora_alpha: alpha,
      lora_dropout: 0,
      bias: 'none',
      // By name alone q_proj would also be found in the vision tower.
      target_modules: folder.kind === 'lm' ? targets : [...new Set(modules)].sort(),
      inference_mode: true,
    },
  })
  const tensors = own.map(([name, host]) => [`base_model.model.${renamed(name, table)}`, tensorOf(host)] as const)
  await writeSafetensors(join(dir, 'adapter_model.safetensors'), new Map(tensors), dir)
}

/** What PEFT can do to an adapter beyond x Wᵀ + alpha/rank · (x Aᵀ) Bᵀ. */
const VARIATIONS = ['use_dora', 'use_rslora', 'fan_in_fan_out', 'rank_pattern', 'alpha_pattern', 'modules_to_save']

/**
 * Reads an adapter, and what model it says it is for; its weights get the names that `saveAdapter` takes.
 *
 * @param model the config of the model that it is for, where that is not LLaVA's or a text model's
 * @throws UserError where it is none we know
 */
export async function readAdapter(
  dir: string,
  model?: Config,
): Promise<AdapterSettings & { weights: Map<string, HostTensor>; base?: string }> {
  const config = await readJson(dir, 'adapter_config.json')
  if (!config) throw new UserError(`${dir}: expected a PEFT adapter, found no adapter_config.json in it`)
  const variations = VARIATIONS.filter(key => config[key] === true || Object.keys(config[key] ?? {}).length > 0)
  if (config.peft_type !== 'LORA' || variations.length > 0) {
    const found = [config.peft_type, ...variations].join(' with ')
    throw new UserError(`${dir}: expected a plain LoRA adapter, got ${found}`)
  }
  const { folder, tensors } = await readSafetensors(join(dir, 'adapter_model.safetensors'))
  const back = modulesOf(model).map(([ours, theirs]): [string, string] => [theirs, ours])
  const weights = new Map<string, HostTensor>()
  for (const [name, tensor] of tensors) {
    weights.set(renamed(name.replace(/^base_model\.model\./, ''), back), await loadTensor(tensor, folder, true))
  }
  return {
    base: (config.base_model_name_or_path as string | null) ?? undefined,
    rank: config.r as number,
    alpha: config.lora_alpha as number,
    targets: [config.target_modules].flat() as string[],
    weights,
  }
}

/**
 * A folder whose graphs have the adapter beside their weights; nothing else of it changes.
 *
 * @throws UserError where the adapter adapts what is no weight of the model, or is in its weights already
 */
export async function adapted(folder: ModelFolder, dir: string): Promise<ModelFolder> {
  const { weights, rank, alpha, base } = await readAdapter(dir, folder.config)
  // As training leaves it: beside the weights that it was merged into.
  if (base && resolve(dir) === join(folder.path, 'adapter') && resolve(base) !== folder.path)
    throw new UserError(`${dir}: the weights of ${folder.path} have this adapter in them. Leave it out, or give the model that it was trained on, ${base}`) // biome-ignore format: one thought
  const modules = new Set([...weights.keys()].map(name => name.replace(/\.lora_[AB]\.weight$/, '')))
  const graphs = new Map<string, Model>()
  for (const graph of folder.graphs) {
    const model = await folder.graph(graph)
    const adapterOf = (plain: string, [out, into]: number[]): LowRank | undefined => {
      const module = inFolder(folder, plain)
      const part = (kind: 'A' | 'B', shape: number[]) => {
        const name = `${module}.lora_${kind}.weight`
        const host = weights.get(name)
        if (host?.shape.join() === shape.join()) return { name, start: tensorOf(host) }
        throw new UserError(`${dir}: ${name}: expected shape [${shape}], got ${host ? `[${host.shape}]` : 'none'}`)
      }
      if (!weights.has(`${module}.lora_A.weight`)) return undefined
      modules.delete(module)
      return { a: part('A', [rank, into]), b: part('B', [out, rank]), scale: alpha / rank }
    }
    graphs.set(graph, { ...model, graph: beside(model.graph, adapterOf) })
  }
  if (modules.size > 0) throw new UserError(`${dir}: ${folder.path} has no weight ${[...modules][0]} to adapt`)
  return { ...folder, graph: async name => graphs.get(name)! }
}

/** Exports name the modules of a decoder as if it stood alone. */
const inFolder = ({ kind, config, checkpoint }: ModelFolder, module: string) =>
  kind === 'vlm' && !checkpoint && modulesOf(config) === MODULES && module.startsWith('model.layers.')
    ? `language_model.${module}`
    : module

function renamed(name: string, table: Table): string {
  const [from, to] = table.find(([from]) => name.startsWith(from)) ?? ['', '']
  return to + name.slice(from.length)
}
