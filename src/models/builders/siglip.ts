/** SigLIP vision towers (Zhai et al. 2023): a plain ViT without a class token. Left out: the pooling head. */

import { Net, type Weights } from './layers.ts'

/** The part of a vision config that the tower needs, with Hugging Face's names and defaults. */
export interface SiglipConfig {
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  image_size: number
  patch_size: number
  num_channels?: number
  hidden_act?: string
  layer_norm_eps?: number
}

/** Starts a graph with pixel_values (N, C, H, W) and the tower's layers up to `layers`: → (N, patches, D). */
export function siglipTower(c: SiglipConfig, weights: Weights, prefix: string, layers = c.num_hidden_layers) {
  const net = new Net('vision_encoder', weights)
  const [size, epsilon] = [c.hidden_size, c.layer_norm_eps ?? 1e-6]
  let x = patches(net, c, prefix)
  for (let i = 0; i < layers; i++) {
    const name = `${prefix}encoder.layers.${i}`
    x = net.add(x, selfAttention(net, c, net.layerNorm(x, `${name}.layer_norm1`, size, epsilon), `${name}.self_attn`))
    const normed = net.layerNorm(x, `${name}.layer_norm2`, size, epsilon)
    const hidden = net.linear(normed, `${name}.mlp.fc1`, size, c.intermediate_size)
    const active = net.activation(hidden, c.hidden_act ?? 'gelu_pytorch_tanh')
    x = net.add(x, net.linear(active, `${name}.mlp.fc2`, c.intermediate_size, size))
  }
  return { net, features: x }
}

/** The patch convolution (its stride is its width) as one product, and learnt positions. → (N, patches, D) */
function patches(net: Net, c: SiglipConfig, prefix: string): string {
  const { g } = net
  const [channels, patch, side] = [c.num_channels ?? 3, c.patch_size, Math.floor(c.image_size / c.patch_size)]
  const pixels = net.input('pixel_values', 'float32', ['images', channels, side * patch, side * patch])
  const cut = net.reshape(pixels, [0, channels, side, patch, side, patch])
  const rows = net.reshape(net.transpose(cut, [0, 2, 4, 1, 3, 5]), [0, side * side, channels * patch * patch])
  const name = `${prefix}embeddings.patch_embedding`
  const kernel = net.weight(`${name}.weight`, [c.hidden_size, channels, patch, patch])
  const flat = net.reshape(kernel, [c.hidden_size, channels * patch * patch])
  const projected = g.op('MatMul', [rows, net.transpose(flat, [1, 0])])
  const embedded = net.add(projected, net.weight(`${name}.bias`, [c.hidden_size]))
  return net.add(embedded, net.weight(`${prefix}embeddings.position_embedding.weight`, [side * side, c.hidden_size]))
}

function selfAttention(net: Net, c: SiglipConfig, x: string, name: string): string {
  const [heads, size] = [c.num_attention_heads, c.hidden_size / c.num_attention_heads]
  const project = (kind: string) =>
    net.reshape(net.linear(x, `${name}.${kind}_proj`, c.hidden_size, c.hidden_size), [0, 0, heads, size])
  const headsFirst = (y: string) => net.transpose(y, [0, 2, 1, 3])
  const mixed = net.attention(project('q'), headsFirst(project('k')), headsFirst(project('v')), heads, heads, size)
  return net.linear(mixed, `${name}.out_proj`, c.hidden_size, c.hidden_size)
}
