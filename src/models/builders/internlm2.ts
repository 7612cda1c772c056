/** InternLM2 (Cai et al. 2024): queries, keys and values in one packed product, and names of its own. */

import { LLAMA, type TextConfig, type Traits } from './decoder.ts'

type InternLM2Config = TextConfig & { bias?: boolean }

export const internlm2 = ({ bias = true }: InternLM2Config): Traits => ({
  ...LLAMA,
  names: {
    embed: 'tok_embeddings',
    attentionNorm: 'attention_norm',
    qkv: ['attention.wqkv'],
    out: 'attention.wo',
    feedForwardNorm: 'ffn_norm',
    gate: 'feed_forward.w1',
    up: 'feed_forward.w3',
    down: 'feed_forward.w2',
    norm: 'norm',
    head: 'output',
  },
  bias: { qkv: bias, out: bias, feedForward: false },
})
