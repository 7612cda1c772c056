/** SigLIP vision towers (Zhai et al. 2023): a plain ViT without a class token; SmolVLM's and Idefics3's are the same. */

import type { VitTraits } from './vit.ts'

export const SIGLIP: VitTraits = {
  names: {
    patch: 'embeddings.patch_embedding',
    positions: 'embeddings.position_embedding.weight',
    layer: i => `encoder.layers.${i}.`,
    norms: ['layer_norm1', 'layer_norm2'],
    qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
    out: 'self_attn.out_proj',
    up: 'mlp.fc1',
    down: 'mlp.fc2',
  },
  bias: { patch: true, qkv: true },
  tableShape: (rows, size) => [rows, size],
  tokenShape: size => [size],
  rms: false,
  activation: 'gelu_pytorch_tanh',
  epsilon: 1e-6,
}
