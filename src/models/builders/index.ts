/** From a checkpoint's `config.json` to the ONNX graphs of its model folder, by `model_type`. */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import type { Weights } from './layers.ts'
import { type LlavaConfig, llava } from './llava.ts'
import { decoder, type Qwen2Config } from './qwen2.ts'

export type { Weights } from './layers.ts'

const BUILDERS: Record<string, (config: never, weights: Weights) => Record<string, Graph>> = {
  qwen2: (config: Qwen2Config, weights) => ({ model: decoder(config, weights, '', true) }),
  llava: (config: LlavaConfig, weights) => llava(config, weights),
}

/** Graphs by file name (without `.onnx`). Throws a UserError for an architecture that has no builder. */
export function buildGraphs(config: { model_type: string }, weights: Weights): Record<string, Graph> {
  const build = BUILDERS[config.model_type]
  if (!build) {
    const names = Object.keys(BUILDERS).join(', ')
    throw new UserError(`model_type ${config.model_type}: there is no builder for it; expected one of ${names}`)
  }
  return build(config as never, weights)
}
