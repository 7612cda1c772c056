/**
 * InternViT towers (Chen et al. 2024), 300M and 6B: a class token, layer scales, in the 6B RMSNorms, also of queries and
 * keys. Checkpoints come in two layouts: `internvl_chat` has the authors' names, `internvl` Hugging Face's.
 */

import { SIGLIP } from './siglip.ts'
import type { VitConfig, VitTraits } from './vit.ts'

/** Fields by which the two layouts say the same. */
export interface InternVitConfig extends VitConfig {
  norm_type?: string
  qk_normalization?: boolean
  use_qk_norm?: boolean
  qkv_bias?: boolean
  attention_bias?: boolean
}

const shared = (c: InternVitConfig) => ({
  bias: { patch: true, qkv: c.qkv_bias ?? c.attention_bias ?? false },
  tableShape: (rows: number, size: number) => [1, rows, size],
  tokenShape: (size: number) => [1, 1, size],
  rms: c.norm_type === 'rms_norm',
  activation: 'gelu',
  epsilon: 1e-6,
})

/** `internvl_chat` */
export const authors = (c: InternVitConfig): VitTraits => ({
  ...shared(c),
  names: {
    ...SIGLIP.names,
    positions: 'embeddings.position_embedding',
    classToken: 'embeddings.class_embedding',
    norms: ['norm1', 'norm2'],
    qkv: ['attn.qkv'],
    out: 'attn.proj',
    scales: ['ls1', 'ls2'],
    ...(c.qk_normalization && { headNorms: ['attn.q_norm', 'attn.k_norm'] }),
  },
})

/** `internvl` */
export const huggingFace = (c: InternVitConfig): VitTraits => ({
  ...shared(c),
  names: {
    ...SIGLIP.names,
    patch: 'embeddings.patch_embeddings.projection',
    positions: 'embeddings.position_embeddings',
    classToken: 'embeddings.cls_token',
    layer: i => `encoder.layer.${i}.`,
    norms: ['layernorm_before', 'layernorm_after'],
    qkv: ['attention.q_proj', 'attention.k_proj', 'attention.v_proj'],
    out: 'attention.projection_layer',
    scales: ['lambda_1', 'lambda_2'],
    ...(c.use_qk_norm && { headNorms: ['attention.q_norm', 'attention.k_norm'] }),
  },
})
