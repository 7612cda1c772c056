/**
 * The vision towers of Qwen2-VL and Qwen2.5-VL: patches of pictures of any size, rotary angles from their rows and
 * columns, attention within a picture, or within windows of it, and a merger that makes one feature of each block of
 * patches. Left out: videos, that is, grids of more than one frame.
 */

import type { Graph } from '../../graph/ir.ts'
import { Net, type Weights } from './layers.ts'
import { type Rotary, rotate, tablesOf } from './rotary.ts'
import { type Slots, slotsOf } from './slots.ts'

export interface Tower {
  layers: number
  heads: number
  /** Widths: of a patch, of a layer's hidden part, of a feature. */
  width: number
  hidden: number
  out: number
  /** Pixels on a side of a patch, frames that it is deep, colours. */
  patch: number
  frames: number
  channels: number
  /** Patches on a side of a block. */
  merge: number
  activation: string
  /** RMSNorm and a gated perceptron, as language models have them; else LayerNorm and a plain one. */
  modern: boolean
  /** Rotary base. */
  theta: number
  /** What the graph calls its input of grids: as the Hub's exports and transformers.js do. */
  grids: string
  /** Blocks on a side of a window, and which layers look beyond it. */
  window?: { side: number; whole: number[] }
}

/** What a layer sees of the others in a row of attention. */
interface Sight {
  /** Patches in a row, where it is a window; absent: all of a picture. */
  row?: number
  /** (rows, 1, 1, 1, patches) */
  bias: string
}

/** pixel_values (patches, C·frames·P·P), grids (N, 3): frames, rows, columns of patches → image_features (patches / merge², D) */
export function qwenTower(t: Tower, weights: Weights): Graph {
  const net = new Net('vision_encoder', weights)
  const { g } = net
  const [depth, area] = [t.channels * t.frames * t.patch * t.patch, t.merge * t.merge]
  const pixels = net.input('pixel_values', 'float32', ['patches', depth])
  const grid = net.input(t.grids, 'int64', ['images', 3])
  const count = g.op('Shape', [pixels], { start: 0, end: 1 })
  const slots = slotsOf(net, grid, count, t.merge, t.window?.side ?? 1)

  const kernel = net.weight('visual.patch_embed.proj.weight', [t.width, t.channels, t.frames, t.patch, t.patch])
  const flat = net.transpose(net.reshape(kernel, [t.width, depth]), [1, 0])
  let x = g.op('MatMul', [g.op('Gather', [pixels, slots.patches]), flat]) // (N, L, W)

  const norm = (y: string, name: string) =>
    t.modern ? net.rmsNorm(y, name, t.width, 1e-6) : net.layerNorm(y, name, t.width, 1e-6)
  const rotary = angles(net, t, slots)
  const picture: Sight = { bias: g.op('Unsqueeze', [slots.bias, g.ints([1, 2, 3])]) }
  const row = area * (t.window?.side ?? 1) ** 2
  const window: Sight = { row, bias: net.reshape(slots.bias, [-1, 1, 1, 1, row]) }
  for (let i = 0; i < t.layers; i++) {
    const at = `visual.blocks.${i}.`
    const sight = !t.window || t.window.whole.includes(i) ? picture : window
    x = net.add(x, attention(net, t, norm(x, `${at}norm1`), `${at}attn.`, rotary, sight))
    x = net.add(x, perceptron(net, t, norm(x, `${at}norm2`), `${at}mlp.`))
  }

  const block = area * t.width
  const merged = net.reshape(norm(x, 'visual.merger.ln_q'), [-1, block]) // (N·L/merge², merge²·W)
  const hidden = net.activation(net.linear(merged, 'visual.merger.mlp.0', block, block), 'gelu')
  const features = net.linear(hidden, 'visual.merger.mlp.2', block, t.out)
  net.output(g.op('Gather', [features, slots.features]), 'image_features')
  return g
}

/** A quarter of each head's numbers turns by the row, a quarter by the column, the other half with them. */
function angles(net: Net, t: Tower, { rows, columns }: Slots): Rotary {
  const { g } = net
  const half = t.width / t.heads / 2
  const frequencies = Array.from({ length: half / 2 }, (_, i) => t.theta ** ((-2 * i) / half))
  const table = g.floats(frequencies, [frequencies.length])
  const turned = [rows, columns].map(at =>
    g.op('Mul', [g.op('Unsqueeze', [g.op('Cast', [at], { to: 1 }), g.ints([2, 3])]), table]),
  )
  return tablesOf(net, g.op('Concat', turned, { axis: -1 })) // (N, L, 1, Dh)
}

/** x (N, L, W) → (N, L, W) */
function attention(net: Net, t: Tower, x: string, at: string, rotary: Rotary, { row, bias }: Sight): string {
  const { g } = net
  const size = t.width / t.heads
  const packed = net.reshape(net.linear(x, `${at}qkv`, t.width, 3 * t.width), [0, 0, 3 * t.heads, size])
  const [both, v] = g.many('Split', [packed, g.ints([2 * t.heads, t.heads])], 2, { axis: 2 })
  const [q, k] = g.many('Split', [rotate(net, both, rotary)], 2, { axis: 2, num_outputs: 2 })
  const [queries, keys, values] = [q, k, v].map(y => (row ? net.reshape(y, [-1, row, t.heads, size]) : y))
  const headsFirst = (y: string) => net.transpose(y, [0, 2, 1, 3])
  const mixed = net.attention(queries, headsFirst(keys), headsFirst(values), t.heads, t.heads, size, bias)
  return net.linear(g.op('Reshape', [mixed, g.op('Shape', [x])]), `${at}proj`, t.width, t.width)
}

function perceptron(net: Net, t: Tower, x: string, at: string): string {
  if (!t.modern) {
    const hidden = net.activation(net.linear(x, `${at}fc1`, t.width, t.hidden), t.activation)
    return net.linear(hidden, `${at}fc2`, t.hidden, t.width)
  }
  const [gate, up] = ['gate_proj', 'up_proj'].map(name => net.linear(x, `${at}${name}`, t.width, t.hidden))
  const hidden = net.g.op('Mul', [net.activation(gate, t.activation), up])
  return net.linear(hidden, `${at}down_proj`, t.hidden, t.width)
}
