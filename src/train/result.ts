/** What a run leaves: a whole model folder with the new weights, and with LoRA the adapter beside them. */

import type { HostTensor } from '../graph/session.ts'
import { saveAdapter } from '../models/adapter.ts'
import type { ModelFolder } from '../models/folder.ts'
import { loadTensor } from '../models/safetensors.ts'
import { saveFolder } from '../models/save.ts'
import { type Adapter, merged } from './lora.ts'
import type { Policy } from './policy.ts'

/** Weights of four bits cannot take an adapter in. */
export const mergeable = (adapters: Adapter[]) => adapters.every(({ place }) => place.weight)

/** Writes the model; adapters are merged into it and also saved in `adapter/`, as PEFT has them; alone where `mergeable` says no. */
export async function saveModel(
  folder: ModelFolder,
  out: string,
  { parts, adapters, onnx }: Policy,
  weights: Map<string, HostTensor>,
  lora?: { rank: number; alpha: number },
): Promise<void> {
  if (!lora) return saveFolder(folder, out, weights)
  const targets = [...new Set(adapters.map(({ place }) => place.module.split('.').at(-1)!))]
  const settings = { ...lora, targets }
  if (!mergeable(adapters)) return saveAdapter(`${out}/adapter`, folder, weights, settings)
  const graph = (parts.decoder_model_merged ?? parts.model)!
  const weightOf = (name: string) => loadTensor(graph.initializers.get(name)!, onnx, true)
  await saveFolder(folder, out, await merged(adapters, weights, weightOf, lora))
  await saveAdapter(`${out}/adapter`, folder, weights, settings)
}
