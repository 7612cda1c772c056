/**
 * What Hugging Face's saved configs leave out. Within a config of a vision-language model, older versions wrote only
 * the fields that differ from the defaults of their classes (LLaVA-1.5's say little more than `model_type`), and
 * whether the head is the embedding is said in one place or another; the checkpoint's own tensors say it as well.
 */

import type { Config } from './config.ts'

type Fields = Record<string, unknown>

const llama = { vocab_size: 32_000, hidden_size: 4096, intermediate_size: 11_008, num_hidden_layers: 32, num_attention_heads: 32, rms_norm_eps: 1e-6, max_position_embeddings: 2048 } // biome-ignore format: a table
const qwen2 = { vocab_size: 151_936, hidden_size: 4096, intermediate_size: 22_016, num_hidden_layers: 32, num_attention_heads: 32, num_key_value_heads: 32, rms_norm_eps: 1e-6, max_position_embeddings: 32_768 } // biome-ignore format: a table
const mistral = { ...llama, intermediate_size: 14_336, num_key_value_heads: 8, head_dim: 128, max_position_embeddings: 131_072 } // biome-ignore format: a table
const tower = { hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12, image_size: 224 } // biome-ignore format: a table
const internvit = { ...tower, hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, num_attention_heads: 16, image_size: 448, patch_size: 14 } // biome-ignore format: a table
const qwenTower = { depth: 32, num_heads: 16, hidden_size: 3584, patch_size: 14 }
const qwen2Tower = { ...qwenTower, embed_dim: 1280 }
const qwen25Tower = { ...qwenTower, intermediate_size: 3420, out_hidden_size: 3584 }
const qwenText = { vocab_size: 152_064, hidden_size: 8192, intermediate_size: 29_568, num_hidden_layers: 80, num_attention_heads: 64, num_key_value_heads: 8, rms_norm_eps: 1e-5, max_position_embeddings: 32_768 } // biome-ignore format: a table
const idefics = { ...tower, hidden_size: 1152, num_attention_heads: 16, patch_size: 32 }

/** Defaults of the classes, by `model_type`. */
const DEFAULTS: Record<string, Fields> = {
  llama,
  mistral,
  qwen2,
  clip_vision_model: { ...tower, patch_size: 32 },
  siglip_vision_model: { ...tower, patch_size: 16 },
  idefics3: idefics,
  idefics3_vision: idefics,
  smolvlm: idefics,
  smolvlm_vision: idefics,
  internvl: internvit,
  internvl_vision: internvit,
  qwen2_vl: qwen2Tower,
  qwen2_vl_vision: qwen2Tower,
  qwen2_vl_text: qwenText,
  qwen2_5_vl: qwen25Tower,
  qwen2_5_vl_vision: qwen25Tower,
  qwen2_5_vl_text: qwenText,
}

/**
 * A config whose parts say what they leave to defaults. A whole model's own fields are never left out.
 *
 * @param tensors names in the checkpoint: without a head of its own, the head is the embedding
 */
export function completed(config: Config, tensors?: Iterable<string>): Config {
  const headless = tensors && ![...tensors].some(name => /(^|\.)(lm_head|output)\.weight$/.test(name))
  const tied = headless ? { tie_word_embeddings: true } : {}
  const part = (name: string, usual: string, more: Fields = {}) => {
    const held = config[name] as Fields | undefined
    return held && { [name]: { ...DEFAULTS[(held.model_type as string | undefined) ?? usual], ...held, ...more } }
  }
  return {
    ...config,
    ...tied,
    ...part('text_config', 'llama', tied),
    ...part('llm_config', 'llama', tied),
    ...part('vision_config', config.model_type),
  }
}
