/** CLIP vision towers (Radford et al. 2021): a class token, a norm before the first layer. */

import { SIGLIP } from './siglip.ts'
import type { VitTraits } from './vit.ts'

export const CLIP: VitTraits = {
  ...SIGLIP,
  names: { ...SIGLIP.names, classToken: 'embeddings.class_embedding', firstNorm: 'pre_layrnorm' }, // so spelt
  bias: { patch: false, qkv: true },
  activation: 'quick_gelu',
  epsilon: 1e-5,
}
