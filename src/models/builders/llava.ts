/** LLaVA (Liu et al. 2023): a vision tower, a two-layer projector, a language model. */

import type { Graph } from '../../graph/ir.ts'
import type { Weights } from './layers.ts'
import { type SiglipConfig, siglipTower } from './siglip.ts'
import { decoder, embedTokens, type TextConfig, under } from './text.ts'

export interface LlavaConfig {
  text_config: TextConfig
  vision_config: SiglipConfig & { model_type: string }
  /** Which layer's output is projected; -1 is the last (before the tower's closing norm), as Hugging Face counts. */
  vision_feature_layer?: number
  vision_feature_select_strategy?: string
  projector_hidden_act?: string
  multimodal_projector_bias?: boolean
  tie_word_embeddings?: boolean
}

export function llava(config: LlavaConfig, weights: Weights): Record<string, Graph> {
  const text = {
    ...config.text_config,
    tie_word_embeddings: config.tie_word_embeddings ?? config.text_config.tie_word_embeddings,
  }
  return {
    vision_encoder: visionEncoder(config, weights),
    embed_tokens: embedTokens(text, weights, under('language_model.')),
    decoder_model_merged: decoder(text, weights, under('language_model.')),
  }
}

/** pixel_values (N, C, H, W) → image_features (N, patches, D), projected to the language model's width. */
function visionEncoder(config: LlavaConfig, weights: Weights): Graph {
  const { vision_config: vision, text_config: text } = config
  if (vision.model_type !== 'siglip_vision_model') throw new Error(`vision tower ${vision.model_type} is not supported`)
  const layer = config.vision_feature_layer ?? -2
  const layers = layer < 0 ? vision.num_hidden_layers + 1 + layer : layer
  const { net, features } = siglipTower(vision, weights, 'vision_tower.', layers)
  const [name, bias] = ['multi_modal_projector', config.multimodal_projector_bias ?? true]
  const hidden = net.linear(features, `${name}.linear_1`, vision.hidden_size, text.hidden_size, bias)
  const active = net.activation(hidden, config.projector_hidden_act ?? 'gelu')
  net.output(net.linear(active, `${name}.linear_2`, text.hidden_size, text.hidden_size, bias), 'image_features')
  return net.g
}
