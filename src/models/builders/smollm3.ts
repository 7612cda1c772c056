/** SmolLM3 (Bakouch et al. 2025): every fourth layer does without rotary positions (Yang et al. 2025). */

import type { TextConfig, Traits } from './decoder.ts'
import { llama } from './llama.ts'

type SmolLM3Config = TextConfig & {
  attention_bias?: boolean
  mlp_bias?: boolean
  /** 1 where a layer rotates: the name says the opposite. */
  no_rope_layers?: number[] | null
  no_rope_layer_interval?: number
}

export function smollm3(c: SmolLM3Config): Traits {
  const interval = c.no_rope_layer_interval ?? 4
  const rotates = (layer: number) => Boolean(c.no_rope_layers ? c.no_rope_layers[layer] : (layer + 1) % interval)
  return { ...llama(c), rotates, theta: 2_000_000, tied: true }
}
