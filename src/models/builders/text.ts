/**
 * Language models by the `model_type` of their config. To add one: a file beside this that makes its `Traits`, and a
 * line in the table. What the traits cannot say belongs into the base, decoder.ts, as one more of them.
 */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import * as base from './decoder.ts'
import { type Place, type TextConfig, type Traits, under } from './decoder.ts'
import { internlm2 } from './internlm2.ts'
import type { Weights } from './layers.ts'
import { llama } from './llama.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'
import { smollm3 } from './smollm3.ts'

export { type Place, type TextConfig, under } from './decoder.ts'

export const TEXT: Record<string, (config: TextConfig) => Traits> = { qwen2, qwen3, llama, internlm2, smollm3 } // biome-ignore format: a table

function traitsOf(config: TextConfig): Traits {
  const known = TEXT[config.model_type ?? '']
  if (known) return known(config)
  const names = Object.keys(TEXT).join(', ')
  throw new UserError(`config.json: no builder for a language model of model_type ${config.model_type}; expected one of ${names}`) // biome-ignore format: one thought
}

/** input_ids (B, T) → inputs_embeds (B, T, D). */
export const embedTokens = (config: TextConfig, weights: Weights, place: Place = under('')): Graph =>
  base.embedTokens(config, traitsOf(config), weights, place)

/** From embeddings, as vision-language models have it: see decoder.ts for inputs and outputs. */
export const decoder = (config: TextConfig, weights: Weights, place: Place = under('')): Graph =>
  base.decoder(config, traitsOf(config), weights, place, false)

/** From ids: a text-only folder's `model`. */
export const model = (config: TextConfig, weights: Weights): Graph =>
  base.decoder(config, traitsOf(config), weights, under(''), true)
