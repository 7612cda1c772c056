/** LLaVA (Liu et al. 2023): a vision tower (CLIP or SigLIP), a two-layer projector, a language model. */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import { CLIP } from './clip.ts'
import type { Net, Weights } from './layers.ts'
import { SIGLIP } from './siglip.ts'
import { decoder, embedTokens, type TextConfig, under } from './text.ts'
import { type VitConfig, type VitTraits, vit } from './vit.ts'

export interface LlavaConfig {
  text_config: TextConfig
  vision_config: VitConfig & { model_type: string }
  /** Which layer's output is projected; -1 is the last (before the tower's closing norm), as Hugging Face counts. */
  vision_feature_layer?: number | number[]
  /** default: without the class token, where there is one; full: as it is. */
  vision_feature_select_strategy?: string
  projector_hidden_act?: string
  multimodal_projector_bias?: boolean
  tie_word_embeddings?: boolean
}

export const TOWERS: Record<string, VitTraits> = { siglip_vision_model: SIGLIP, clip_vision_model: CLIP }

export function llava(config: LlavaConfig, weights: Weights, vision = visionEncoder): Record<string, Graph> {
  const text = {
    ...config.text_config,
    tie_word_embeddings: config.tie_word_embeddings ?? config.text_config.tie_word_embeddings,
  }
  return {
    vision_encoder: vision(config, weights),
    embed_tokens: embedTokens(text, weights, under('language_model.')),
    decoder_model_merged: decoder(text, weights, under('language_model.')),
  }
}

/** pixel_values (N, C, H, W) → image_features (N, patches, D), projected to the language model's width. */
function visionEncoder(config: LlavaConfig, weights: Weights): Graph {
  const { net, features } = projected(config, weights)
  net.output(features, 'image_features')
  return net.g
}

/** Starts the vision graph with pixel_values (N, C, H, W). @returns features (N, patches, D of the language model) */
export function projected(config: LlavaConfig, weights: Weights): { net: Net; features: string } {
  const { vision_config: vision, text_config: text } = config
  const traits = TOWERS[vision.model_type]
  if (!traits) {
    const names = Object.keys(TOWERS).join(', ')
    throw new UserError(`config.json: vision_config.model_type: expected one of ${names}, got ${vision.model_type}`)
  }
  const layer = config.vision_feature_layer ?? -2
  if (typeof layer !== 'number') {
    throw new UserError(`config.json: vision_feature_layer: expected one number, got [${layer}]`)
  }
  const layers = layer < 0 ? vision.num_hidden_layers + 1 + layer : layer
  const { net, features: all } = vit(vision, traits, weights, 'vision_tower.', layers)
  const { g } = net
  const whole = (config.vision_feature_select_strategy ?? 'default') === 'full'
  const chosen = whole ? all : g.op('Slice', [all, g.ints([1]), g.ints([2 ** 31 - 1]), g.ints([1])])
  const [name, bias] = ['multi_modal_projector', config.multimodal_projector_bias ?? true]
  const hidden = net.linear(chosen, `${name}.linear_1`, vision.hidden_size, text.hidden_size, bias)
  const active = net.activation(hidden, config.projector_hidden_act ?? 'gelu')
  return { net, features: net.linear(active, `${name}.linear_2`, text.hidden_size, text.hidden_size, bias) }
}
