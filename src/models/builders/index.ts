/**
 * From a checkpoint's `config.json` to the ONNX graphs of its model folder, by `model_type`. Language models have their
 * table in text.ts; to add a vision-language model: a file beside this that makes vision_encoder, embed_tokens and
 * decoder_model_merged, and a line in the table here.
 */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import { type Idefics3Config, idefics3 } from './idefics3.ts'
import { type InternVLChatConfig, type InternVLConfig, internvl, internvlChat } from './internvl.ts'
import type { Compute, Find, Weights } from './layers.ts'
import { type LlavaConfig, llava } from './llava.ts'
import { checkNumbers } from './needed.ts'
import { llavaOnevision } from './onevision.ts'
import { type Qwen2VLConfig, type Qwen25VLConfig, qwen2vl, qwen25vl } from './qwenvl.ts'
import { model, TEXT, type TextConfig } from './text.ts'

export type { Compute, Find, Weights } from './layers.ts'

type Builder = (config: never, weights: Weights) => Record<string, Graph>

const VISION: Record<string, Builder> = {
  llava: (config: LlavaConfig, weights) => llava(config, weights),
  llava_onevision: (config: LlavaConfig, weights) => llavaOnevision(config, weights),
  idefics3: (config: Idefics3Config, weights) => idefics3(config, weights),
  smolvlm: (config: Idefics3Config, weights) => idefics3(config, weights),
  internvl: (config: InternVLConfig, weights) => internvl(config, weights),
  internvl_chat: (config: InternVLChatConfig, weights) => internvlChat(config, weights),
  qwen2_vl: (config: Qwen2VLConfig, weights) => qwen2vl(config, weights),
  qwen2_5_vl: (config: Qwen25VLConfig, weights) => qwen25vl(config, weights),
}

/**
 * Graphs by file name (without `.onnx`).
 *
 * @param find the checkpoint's tensors
 * @param compute what products are computed in, whatever dtype the tensors have
 * @throws UserError for an architecture that has no builder, or a config that leaves out what it takes
 */
export function buildGraphs(config: { model_type: string }, find: Find, compute: Compute = 'float32') {
  const weights = { find, compute }
  const build = VISION[config.model_type]
  if (build || TEXT[config.model_type]) checkNumbers(config, build !== undefined)
  if (TEXT[config.model_type]) return { model: model(config as unknown as TextConfig, weights) }
  if (build) return build(config as never, weights)
  const names = [...Object.keys(TEXT), ...Object.keys(VISION)].join(', ')
  throw new UserError(
    `config.json: model_type ${config.model_type}: there is no builder for it; expected one of ${names}`,
  )
}
