/**
 * Products with weights of 4 or 8 bits (ONNX Runtime's MatMulNBits), which are never trained: the gradient flows to the
 * activations. Forward stays the fused kernel; backward takes the same packed weights apart for each use, by
 * DequantizeLinear, which ONNX Runtime does not fold, so they are held in floats only while they are needed.
 * Left out: other widths, weights in another order (`g_idx`), zero points in floats.
 */

import type { Graph, Tensor } from '../../graph/ir.ts'
import type { Rule, Site } from './site.ts'

export const QUANTIZED: Record<string, Rule> = {
  /** x (…, K), B (N, K / block, bytes of a block), scales (N · K / block), zero points, –, bias (N) → x Wᵀ + bias (…, N) */
  MatMulNBits: s => [
    s.wanted(0) ? s.op('MatMul', [s.g, weights(s)]) : null,
    ...Array(4).fill(null),
    s.x[5] ? s.g : null,
  ],
}

/** W (N, K) in floats. */
function weights(s: Site): string {
  const [, packed, scales, zeros, order] = s.x
  const [bits, block, rows, width] = ['bits', 'block_size', 'N', 'K'].map(name => s.int(name, name === 'bits' ? 4 : 0))
  if (bits !== 4 && bits !== 8) s.refuse(`weights of ${bits} bits`)
  if (order) s.refuse('weights in another order (g_idx)')
  if (zeros && s.graph.type(zeros).dtype !== 'uint8') s.refuse('zero points in floats')
  const { graph } = s
  const blocks = Math.ceil(width / block)
  const scale = s.reshape(scales, late(s, [rows, blocks]))
  const dtype = bits === 4 ? 'uint4' : 'uint8'
  const table = retyped(graph, packed, dtype, [rows, blocks * block]) ?? s.refuse('weights that are no constant')
  // Rows of zero points begin at whole bytes; where that leaves a gap, they are taken off by hand.
  const aligned = bits === 8 || blocks % 2 === 0
  const zero = zeros ? aligned && retyped(graph, zeros, dtype, [rows, blocks]) : middle(graph, bits, rows, blocks)
  const attrs = { axis: 1, block_size: block }
  const whole = s.op('DequantizeLinear', zero ? [table, scale, zero] : [table, scale], attrs) // (N, blocks · block)
  graph.types.set(whole, { dtype: graph.type(scales).dtype, shape: [rows, blocks * block] })
  const shifted = zero ? whole : less(s, whole, scale, zeros, [rows, blocks, block])
  if (blocks * block === width) return shifted
  return s.op('Slice', [shifted, graph.ints([0]), graph.ints([width]), graph.ints([1])])
}

/** A shape that is there only when the gradient is: or else, in a Loop, all layers' weights would be taken apart first. */
function late(s: Site, shape: number[]): string {
  const nothing = s.op('Mul', [s.op('Shape', [s.g], { start: 0, end: 1 }), s.graph.ints([0])])
  return s.add(s.graph.ints(shape), nothing)
}

/** The same bytes read as another type: the tensor goes to the outermost graph, where external data may be. */
function retyped(graph: Graph, value: string, dtype: 'uint4' | 'uint8', shape: number[]): string | undefined {
  const tensor = graph.initializer(value)
  if (!tensor) return undefined
  const name = `${value}/${dtype}`
  const root = outermost(graph)
  if (!root.has(name)) root.weight(name, { ...tensor, dtype, shape } as Tensor)
  return name
}

/** Zero points where none are given: half the range. */
function middle(graph: Graph, bits: 4 | 8, rows: number, blocks: number): string {
  const [name, count] = [`middle/${bits}/${rows}/${blocks}`, rows * blocks]
  const root = outermost(graph)
  const data = new Uint8Array(bits === 4 ? Math.ceil(count / 2) : count).fill(bits === 4 ? 0x88 : 0x80)
  if (!root.has(name)) root.weight(name, { dtype: bits === 4 ? 'uint4' : 'uint8', shape: [rows, blocks], data })
  return name
}

/** W − zero · scale, for zero points of four bits in rows of an odd number. */
function less(s: Site, whole: string, scale: string, zeros: string, [rows, blocks, block]: number[]): string {
  const { graph } = s
  const byte = (value: number) => graph.op('Cast', [graph.ints(value)], { to: 2 })
  const bytes = s.reshape(zeros, [rows, -1, 1])
  const low = s.op('BitwiseAnd', [bytes, byte(15)])
  const high = s.op('BitShift', [bytes, byte(4)], { direction: 'RIGHT' })
  const pairs = s.reshape(s.concat([low, high], 2), [rows, -1])
  const points = s.op('Slice', [pairs, graph.ints([0]), graph.ints([blocks]), graph.ints([1])])
  const off = s.mul(s.op('CastLike', [points, scale]), scale) // (N, blocks)
  const split = s.sub(s.reshape(whole, [rows, blocks, block]), s.unsqueeze(off, -1))
  return s.reshape(split, [rows, blocks * block])
}

const outermost = (graph: Graph): Graph => (graph.parent ? outermost(graph.parent) : graph)
