/** Shape rules of ONNX Runtime's own attentions, and of look-ups and products of what is quantized. */

import { add, multiply, quotient } from './dims.ts'
import type { Dim } from './ir.ts'
import { axisOf, conv, type Inference, matmul } from './shapes.ts'

/** (B, T, H·D), and the caches (B, KV, P+T, D); packed, the query holds keys and values too. */
export const groupQuery: Inference = ({ x, int }) => {
  const [query, key, , past] = x
  if (!query?.shape) return [{ dtype: query!.dtype }]
  const [batch, length, width] = query.shape
  const [heads, kv] = [int('num_heads', 1), int('kv_num_heads', 1)]
  const size = quotient([width], [key ? heads : heads + 2 * kv])
  const seen = past?.shape ? add(past.shape[2], length) : length
  const cache = { dtype: query.dtype, shape: [batch, kv, seen, size] as Dim[] }
  return [{ dtype: query.dtype, shape: [batch, length, multiply(heads, size)] }, cache, cache]
}

/** The same with as many KV heads as heads; keys and values may come split into heads. */
export const multiHead: Inference = ({ x, int }) => {
  const [query, key, value, , , , pastKey] = x
  const { dtype, shape } = query!
  if (shape?.length !== 3 || !key?.shape || !value?.shape || value.shape.length < 3) return [{ dtype }]
  const [batch, length] = shape
  const heads = int('num_heads', 1)
  const split = (width: Dim) => quotient([width], [heads])
  const [size, valueSize] = [split(shape[2]), value.shape.length === 4 ? value.shape[3] : split(value.shape[2])]
  const fresh = key.shape[key.shape.length === 4 ? 2 : 1]
  const seen = pastKey?.shape ? add(pastKey.shape[2], fresh) : fresh
  return [
    { dtype, shape: [batch, length, multiply(heads, valueSize)] },
    { dtype, shape: [batch, heads, seen, size] },
    { dtype, shape: [batch, heads, seen, valueSize] },
  ]
}

/** Rows of a packed table: two elements a byte where it is of bytes and `bits` is 4. */
export const gatherQuantized: Inference = ({ x, int }) => {
  const [data, indices, scales] = x
  const dtype = scales!.dtype
  if (!data?.shape || !indices?.shape) return [{ dtype }]
  const packed = data.dtype === 'uint8' && int('bits', 4) === 4 ? 2 : 1
  const axis = axisOf(int('gather_axis', 0), data.shape.length)
  const whole = data.shape.map((dim, i) => (i === data.shape!.length - 1 ? multiply(dim, packed) : dim))
  return [{ dtype, shape: [...whole.slice(0, axis), ...indices.shape, ...whole.slice(axis + 1)] }]
}

const packed: Inference = ({ x, int }) => [{ dtype: x[0]!.dtype, shape: x[0]!.shape && [...x[0]!.shape.slice(0, -1), int('N', 0)] }] // biome-ignore format: one thought

/** Products of what is quantized: of weights in blocks, and of weights and activations in bytes. */
export const INTEGER_PRODUCTS: Record<string, Inference> = {
  MatMulNBits: packed,
  MatMulBnb4: packed,
  MatMulInteger: c => [{ ...matmul(c)[0]!, dtype: 'int32' }],
  ConvInteger: c => [{ ...conv(c)[0]!, dtype: 'int32' }],
  DynamicQuantizeLinear: ({ x }) => [
    { dtype: 'uint8', shape: x[0]!.shape },
    { dtype: 'float32', shape: [] },
    { dtype: 'uint8', shape: [] },
  ],
  QuantizeLinear: ({ x }) => [{ dtype: x[2]?.dtype ?? 'uint8', shape: x[0]!.shape }],
  DequantizeLinear: ({ x }) => [{ dtype: x[1]!.dtype, shape: x[0]!.shape }],
}
