/**
 * Idefics3 and SmolVLM (Laurençon et al. 2024, Marafioti et al. 2025): a SigLIP tower, squares of patches made one
 * (pixel shuffle), one product, a language model. Pictures come as whole tiles of the tower's size, so the positions,
 * which the tower could stretch over a part of a tile, are the table's rows in order, and no patch is masked.
 */

import { UserError } from '../../errors.ts'
import type { Graph } from '../../graph/ir.ts'
import type { Weights } from './layers.ts'
import { SIGLIP } from './siglip.ts'
import { decoder, embedTokens, type Place, type TextConfig } from './text.ts'
import { folded, sideOf, type VitConfig, vit } from './vit.ts'

export interface Idefics3Config {
  text_config: TextConfig
  vision_config: VitConfig
  /** Patches on a side of the square that becomes one feature. */
  scale_factor?: number
  tie_word_embeddings?: boolean
}

const TEXT: Place = { stem: 'model.text_model.', head: '' }

export function idefics3(config: Idefics3Config, weights: Weights): Record<string, Graph> {
  const text = {
    ...config.text_config,
    tie_word_embeddings: config.tie_word_embeddings ?? config.text_config.tie_word_embeddings,
  }
  return {
    vision_encoder: visionEncoder(config, weights),
    embed_tokens: embedTokens(text, weights, TEXT),
    decoder_model_merged: decoder(text, weights, TEXT),
  }
}

/** pixel_values (tiles, C, H, W) → image_features (tiles, tokens, D of the language model) */
function visionEncoder({ vision_config: vision, text_config: text, ...config }: Idefics3Config, weights: Weights) {
  const [fold, size] = [config.scale_factor ?? 2, vision.hidden_size]
  if (sideOf(vision) % fold !== 0) {
    throw new UserError(`config.json: scale_factor: expected a divisor of ${sideOf(vision)} patches, got ${fold}`)
  }
  const prefix = 'model.vision_model.'
  const { net, features } = vit(vision, SIGLIP, weights, prefix)
  const normed = net.layerNorm(features, `${prefix}post_layernorm`, size, vision.layer_norm_eps ?? SIGLIP.epsilon)
  const merged = folded(net, normed, vision, fold)
  const projection = 'model.connector.modality_projection.proj'
  net.output(net.linear(merged, projection, fold * fold * size, text.hidden_size, false), 'image_features')
  return net.g
}
