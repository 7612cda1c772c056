/** Qwen2, Qwen2.5 and QwQ (Yang et al. 2024): LLaMA's decoder with biases on queries, keys and values. */

import { LLAMA, type Traits } from './decoder.ts'

export const qwen2 = (): Traits => ({ ...LLAMA, bias: { qkv: true, out: false, feedForward: false } })
