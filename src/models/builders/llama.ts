/** LLaMA 2 and 3 (Grattafiori et al. 2024) and what kept their shape: DeepSeek-R1's distills, SmolLM2. */

import { LLAMA, type TextConfig, type Traits } from './decoder.ts'

type LlamaConfig = TextConfig & { attention_bias?: boolean; mlp_bias?: boolean }

export const llama = ({ attention_bias: attention = false, mlp_bias: feedForward = false }: LlamaConfig): Traits => ({
  ...LLAMA,
  bias: { qkv: attention, out: attention, feedForward },
})
