/** What a run leaves: a whole model folder with the new weights, and with LoRA the adapter beside them. */

import type { HostTensor } from '../graph/session.ts'
import { saveAdapter } from '../models/adapter.ts'
import type { ModelFolder } from '../models/folder.ts'
import { loadTensor } from '../models/safetensors.ts'
import { saveFolder } from '../models/save.ts'
import { merged, TARGETS } from './lora.ts'
import type { Policy } from './policy.ts'

/** Writes the model; adapters are merged into it and also saved in `adapter/`, as PEFT has them. */
export async function saveModel(
  folder: ModelFolder,
  out: string,
  { parts, adapters, onnx }: Policy,
  weights: Map<string, HostTensor>,
  lora?: { rank: number; alpha: number },
): Promise<void> {
  if (!lora) return saveFolder(folder, out, weights)
  const graph = (parts.decoder_model_merged ?? parts.model)!
  const weightOf = (name: string) => loadTensor(graph.initializers.get(name)!, onnx, true)
  await saveFolder(folder, out, await merged(adapters, weights, weightOf, lora))
  const targets = TARGETS.filter(target => adapters.some(({ weight }) => weight.endsWith(`.${target}.weight`)))
  await saveAdapter(`${out}/adapter`, folder, weights, { ...lora, targets })
}
