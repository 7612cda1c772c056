/**
 * InternVL 2.5 and 3 (Chen et al. 2024, Zhu et al. 2025): InternViT, four neighbouring patches made one (pixel shuffle),
 * a two-layer projector, a language model. Pictures come as tiles of one size. Both layouts of checkpoints:
 * `internvl_chat`, the authors', and `internvl`, Hugging Face's.
 */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import { authors, huggingFace, type InternVitConfig } from './internvit.ts'
import type { Net, Weights } from './layers.ts'
import { decoder, embedTokens, type Place, type TextConfig, under } from './text.ts'
import { folded, sideOf, vit } from './vit.ts'

export interface InternVLConfig {
  text_config: TextConfig
  vision_config: InternVitConfig
  downsample_ratio?: number
  vision_feature_layer?: number
  vision_feature_select_strategy?: string
  projector_hidden_act?: string
  tie_word_embeddings?: boolean
}

export interface InternVLChatConfig {
  llm_config: TextConfig
  vision_config: InternVitConfig
  downsample_ratio?: number
  /** Which layer's output is projected, counted as Hugging Face counts hidden states: -1 is the last. */
  select_layer?: number
  /** How the shuffle lays rows and columns: v2 transposes back, v1 did not. */
  ps_version?: string
  force_image_size?: number
}

export function internvl(config: InternVLConfig, weights: Weights): Record<string, Graph> {
  const { vision_config: vision } = config
  if ((config.vision_feature_select_strategy ?? 'default') !== 'default')
    throw new UserError('config.json: vision_feature_select_strategy: expected default, got full')
  const text = {
    ...config.text_config,
    tie_word_embeddings: config.tie_word_embeddings ?? config.text_config.tie_word_embeddings,
  }
  const layers = layersOf(vision, config.vision_feature_layer ?? -1)
  const { net, features } = vit(vision, huggingFace(vision), weights, 'vision_tower.', layers)
  const merged = shuffled(net, features, vision, config.downsample_ratio ?? 0.5)
  const modules = ['layer_norm', 'linear_1', 'linear_2'].map(name => `multi_modal_projector.${name}`)
  project(net, merged, modules, text.hidden_size, config.projector_hidden_act ?? 'gelu')
  return parts(net.g, text, weights, under('language_model.'))
}

export function internvlChat(config: InternVLChatConfig, weights: Weights): Record<string, Graph> {
  const { llm_config: text } = config
  if ((config.ps_version ?? 'v2') !== 'v2') throw new UserError('config.json: ps_version: expected v2, got v1')
  const vision = { ...config.vision_config, image_size: config.force_image_size ?? config.vision_config.image_size }
  const layers = layersOf(vision, config.select_layer ?? -1)
  const { net, features } = vit(vision, authors(vision), weights, 'vision_model.', layers)
  const merged = shuffled(net, features, vision, config.downsample_ratio ?? 0.5)
  project(net, merged, ['mlp1.0', 'mlp1.1', 'mlp1.3'], text.hidden_size, 'gelu')
  return parts(net.g, text, weights, under('language_model.'))
}

const layersOf = (vision: InternVitConfig, layer: number) => (layer < 0 ? vision.num_hidden_layers + 1 + layer : layer)

const parts = (vision_encoder: Graph, text: TextConfig, weights: Weights, place: Place) => ({
  vision_encoder,
  embed_tokens: embedTokens(text, weights, place),
  decoder_model_merged: decoder(text, weights, place),
})

interface Shuffled {
  /** (N, side²·ratio², D/ratio²) */
  value: string
  size: number
}

/** Squares of 1/ratio × 1/ratio patches become one feature; the class token is dropped. x (N, 1 + side², D) */
function shuffled(net: Net, x: string, vision: InternVitConfig, ratio: number): Shuffled {
  const { g } = net
  const [side, fold] = [sideOf(vision), Math.round(1 / ratio)]
  const grid = g.op('Slice', [x, g.ints([1]), g.ints([1 + side * side]), g.ints([1])]) // (N, side², D)
  return { value: folded(net, grid, vision, fold), size: fold * fold * vision.hidden_size }
}

/** Norm, linear, activation, linear: → image_features (N, tokens, D of the language model) */
function project(net: Net, { value, size }: Shuffled, modules: string[], width: number, activation: string): void {
  const [norm, first, second] = modules
  const hidden = net.linear(net.layerNorm(value, norm, size, 1e-5), first, size, width)
  net.output(net.linear(net.activation(hidden, activation), second, width, width), 'image_features')
}
