/**
 * Qwen2-VL (Wang et al. 2024) and Qwen2.5-VL (Bai et al. 2025): a tower for pictures of any size (qwentower.ts) and
 * Qwen2, whose rotary angles come from three positions a token. Configs come with the language model's fields in
 * text_config or, older, among all others. Left out: videos.
 */

import type { Graph } from '../../graph/ir.ts'
import type { Weights } from './layers.ts'
import { qwenTower, type Tower } from './qwentower.ts'
import { decoder, embedTokens, type TextConfig, under } from './text.ts'

interface VisionConfig {
  depth: number
  num_heads: number
  hidden_size: number
  patch_size: number
  temporal_patch_size?: number
  spatial_merge_size?: number
  in_channels?: number
  /** The older name. */
  in_chans?: number
  hidden_act?: string
  rope_parameters?: { rope_theta?: number } | null
}

interface Config<V> extends Partial<TextConfig> {
  text_config?: TextConfig
  vision_config: V
}

/** `hidden_size` is that of the features. */
export type Qwen2VLConfig = Config<VisionConfig & { embed_dim: number; mlp_ratio?: number }>

/** `hidden_size` is the tower's own. */
export type Qwen25VLConfig = Config<
  VisionConfig & {
    intermediate_size: number
    out_hidden_size: number
    /** Pixels on a side. */
    window_size?: number
    fullatt_block_indexes?: number[]
  }
>

export function qwen2vl(config: Qwen2VLConfig, weights: Weights): Record<string, Graph> {
  const { vision_config: v } = config
  const tower = {
    ...shared(v),
    width: v.embed_dim,
    hidden: v.embed_dim * (v.mlp_ratio ?? 4),
    out: v.hidden_size,
    activation: v.hidden_act ?? 'quick_gelu',
    modern: false,
    grids: 'grid_thw',
  }
  return parts(tower, config, weights)
}

export function qwen25vl(config: Qwen25VLConfig, weights: Weights): Record<string, Graph> {
  const { vision_config: v } = config
  const common = shared(v)
  const tower = {
    ...common,
    width: v.hidden_size,
    hidden: v.intermediate_size,
    out: v.out_hidden_size,
    activation: v.hidden_act ?? 'silu',
    modern: true,
    grids: 'image_grid_thw',
    window: {
      side: Math.floor((v.window_size ?? 112) / common.merge / common.patch),
      whole: v.fullatt_block_indexes ?? [7, 15, 23, 31],
    },
  }
  return parts(tower, config, weights)
}

const shared = (v: VisionConfig) => ({
  layers: v.depth,
  heads: v.num_heads,
  patch: v.patch_size,
  frames: v.temporal_patch_size ?? 2,
  channels: v.in_channels ?? v.in_chans ?? 3,
  merge: v.spatial_merge_size ?? 2,
  theta: v.rope_parameters?.rope_theta ?? 10_000,
})

function parts(tower: Tower, config: Config<unknown>, weights: Weights): Record<string, Graph> {
  const text = textOf(config)
  return {
    vision_encoder: qwenTower(tower, weights),
    embed_tokens: embedTokens(text, weights, under('')),
    decoder_model_merged: decoder(text, weights, under('')),
  }
}

function textOf(config: Config<unknown>): TextConfig {
  const held = config.text_config ?? (config as TextConfig)
  return {
    ...held,
    model_type: 'qwen2',
    rope_theta: held.rope_theta ?? 1_000_000,
    rope_scaling: { mrope_section: [16, 24, 24], ...held.rope_scaling },
    tie_word_embeddings: config.tie_word_embeddings || held.tie_word_embeddings,
  }
}
