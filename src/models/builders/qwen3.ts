/** Qwen3 (Yang et al. 2025): each head's queries and keys are normed, and the biases of Qwen2 are gone. */

import { LLAMA, type TextConfig, type Traits } from './decoder.ts'

type Qwen3Config = TextConfig & { attention_bias?: boolean }

export const qwen3 = ({ attention_bias: bias = false }: Qwen3Config): Traits => ({
  ...LLAMA,
  bias: { qkv: bias, out: bias, feedForward: false },
  headNorms: true,
})
