/**
 * Vision transformers (Dosovitskiy et al. 2021) with learnt positions: patches as one product, then layers of norm,
 * attention, norm, two-layer perceptron. What a tower does otherwise is in its `VitTraits`. Left out: positions
 * interpolated to other picture sizes, pooling heads.
 */

import { Net, type Weights } from './layers.ts'

/** The part of a vision config that towers need, with Hugging Face's names. */
export interface VitConfig {
  model_type?: string
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  image_size: number | number[]
  patch_size: number | number[]
  num_channels?: number
  hidden_act?: string
  layer_norm_eps?: number
}

/** What makes a tower this one and not another; names of modules and tensors are the checkpoint's. */
export interface VitTraits {
  names: {
    patch: string
    positions: string
    classToken?: string
    /** A norm before the first layer. */
    firstNorm?: string
    layer: (index: number) => string
    norms: [string, string]
    /** Three products, or one whose rows are queries, then keys, then values. */
    qkv: [string, string, string] | [string]
    out: string
    up: string
    down: string
    /** What each half of a layer is multiplied by before it is added (Touvron et al. 2021). */
    scales?: [string, string]
    /** RMSNorms of queries and keys, over all heads at once. */
    headNorms?: [string, string]
  }
  bias: { patch: boolean; qkv: boolean }
  /** Shape of a table of `rows` positions, and of the class token. */
  tableShape: (rows: number, size: number) => number[]
  tokenShape: (size: number) => number[]
  /** Whether the layers' norms are RMSNorms. */
  rms: boolean
  activation: string
  epsilon: number
}

const only = (size: number | number[]) => (typeof size === 'number' ? size : size[0])

/** Rows of patches in a picture; pictures are square. */
export const sideOf = (c: VitConfig) => Math.floor(only(c.image_size) / only(c.patch_size))

/**
 * Starts the graph `vision_encoder` with pixel_values (N, C, H, W) and the tower's layers up to `layers`.
 *
 * @returns features (N, patches, D), with a class token (N, 1 + patches, D)
 */
export function vit(c: VitConfig, t: VitTraits, weights: Weights, prefix: string, layers = c.num_hidden_layers) {
  const net = new Net('vision_encoder', weights)
  const { g } = net
  const [{ names }, size, eps] = [t, c.hidden_size, c.layer_norm_eps ?? t.epsilon]
  const norm = (x: string, name: string) =>
    t.rms ? net.rmsNorm(x, name, size, eps) : net.layerNorm(x, name, size, eps)
  const scaled = (x: string, name?: string) => (name ? g.op('Mul', [x, net.weight(name, [size])]) : x)
  let x = positioned(net, c, t, patches(net, c, t, prefix), prefix)
  if (names.firstNorm) x = net.layerNorm(x, `${prefix}${names.firstNorm}`, size, eps)
  for (let i = 0; i < layers; i++) {
    const at = `${prefix}${names.layer(i)}`
    const [first, second] = names.scales?.map(name => at + name) ?? []
    x = net.add(x, scaled(attention(net, c, t, norm(x, at + names.norms[0]), at), first))
    const hidden = net.linear(norm(x, at + names.norms[1]), at + names.up, size, c.intermediate_size)
    const active = net.activation(hidden, c.hidden_act ?? t.activation)
    x = net.add(x, scaled(net.linear(active, at + names.down, c.intermediate_size, size), second))
  }
  return { net, features: x }
}

/**
 * Squares of fold × fold patches become one feature each, their rows after one another (pixel shuffle).
 *
 * @param grid (N, side², D), without a class token
 * @returns (N, (side/fold)², fold²·D)
 */
export function folded(net: Net, grid: string, c: VitConfig, fold: number): string {
  const [few, size] = [sideOf(c) / fold, c.hidden_size]
  const cut = net.reshape(grid, [0, few, fold, few, fold * size]) // (N, row, row within, column, column within · D)
  return net.reshape(net.transpose(cut, [0, 1, 3, 2, 4]), [0, few * few, fold * fold * size])
}

/** The patch convolution (its stride is its width) as one product. → (N, patches, D) */
function patches(net: Net, c: VitConfig, { names, bias }: VitTraits, prefix: string): string {
  const [channels, image, patch, side] = [c.num_channels ?? 3, only(c.image_size), only(c.patch_size), sideOf(c)]
  const given = net.input('pixel_values', 'float32', ['images', channels, image, image])
  const [g, whole] = [net.g, side * patch] // what is left over of a picture at its right and bottom is not looked at
  const pixels =
    whole === image ? given : g.op('Slice', [given, g.ints([0, 0]), g.ints([whole, whole]), g.ints([2, 3])])
  const cut = net.reshape(pixels, [0, channels, side, patch, side, patch])
  const rows = net.reshape(net.transpose(cut, [0, 2, 4, 1, 3, 5]), [0, side * side, channels * patch * patch])
  const name = `${prefix}${names.patch}`
  const kernel = net.weight(`${name}.weight`, [c.hidden_size, channels, patch, patch])
  const flat = net.reshape(kernel, [c.hidden_size, channels * patch * patch])
  const projected = net.g.op('MatMul', [rows, net.transpose(flat, [1, 0])])
  return bias.patch ? net.add(projected, net.weight(`${name}.bias`, [c.hidden_size])) : projected
}

/** With the class token before the patches, where there is one, and the learnt positions. */
function positioned(net: Net, c: VitConfig, t: VitTraits, x: string, prefix: string): string {
  const { g } = net
  const [size, { classToken, positions }] = [c.hidden_size, t.names]
  const rows = sideOf(c) ** 2 + (classToken ? 1 : 0)
  const table = net.weight(`${prefix}${positions}`, t.tableShape(rows, size))
  if (!classToken) return net.add(x, table)
  const token = net.reshape(net.weight(`${prefix}${classToken}`, t.tokenShape(size)), [1, 1, size])
  const count = g.op('Concat', [g.op('Shape', [x], { start: 0, end: 1 }), g.ints([1, 1])], { axis: 0 })
  return net.add(g.op('Concat', [g.op('Expand', [token, count]), x], { axis: 1 }), table)
}

function attention(net: Net, c: VitConfig, { names, bias }: VitTraits, x: string, at: string): string {
  const [size, heads] = [c.hidden_size, c.num_attention_heads]
  const products =
    names.qkv.length === 1
      ? net.g.many('Split', [net.linear(x, at + names.qkv[0], size, 3 * size, bias.qkv)], 3, {
          axis: -1,
          num_outputs: 3,
        })
      : names.qkv.map(name => net.linear(x, at + name, size, size, bias.qkv))
  const [q, k, v] = products.map((y, i) => {
    const norm = i < 2 ? names.headNorms?.[i] : undefined
    const normed = norm ? net.rmsNorm(y, at + norm, size, c.layer_norm_eps ?? 1e-6) : y
    return net.reshape(normed, [0, 0, heads, size / heads])
  })
  const headsFirst = (y: string) => net.transpose(y, [0, 2, 1, 3])
  const mixed = net.attention(q, headsFirst(k), headsFirst(v), heads, heads, size / heads)
  return net.linear(mixed, at + names.out, size, size)
}
