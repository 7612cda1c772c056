/**
 * Products with weights of four bits, as ONNX Runtime's MatMulNBits has them: 32 numbers of a row share a scale and a
 * zero point, w ≈ (q − z) · s with q and z from 0 to 15. What is looked up instead (embeddings, norms, biases) stays.
 */

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesOf, type Graph, type Node, type Tensor } from '../graph/ir.ts'
import { prune } from '../graph/prune.ts'
import { isFloat, narrow } from './half.ts'
import { loadTensor, pieces } from './safetensors.ts'

/** Numbers that share a scale. */
export const BLOCK = 32
/** Weights are read in groups of rows of about this many numbers. */
const GROUP = 1 << 22
/** Where tensors begin in the data file: at multiples of this. */
const ALIGNED = 64

export interface Blocks {
  /** (out, blocks, 16): two numbers a byte, the earlier in the lower half */
  packed: Uint8Array
  /** (out, blocks) */
  scales: Float32Array
  /** (out, ⌈blocks / 2⌉), packed likewise */
  zeros: Uint8Array
}

/** Quantizes rows of `width` numbers. A block's range always holds 0, so that 0 stays 0. */
export function quantizeRows(values: Float32Array, width: number): Blocks {
  const [rows, blocks] = [values.length / width, Math.ceil(width / BLOCK)]
  const [half, pairs] = [BLOCK / 2, Math.ceil(blocks / 2)]
  const packed = new Uint8Array(rows * blocks * half)
  const scales = new Float32Array(rows * blocks)
  const zeros = new Uint8Array(rows * pairs)
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * width + block * BLOCK
      const end = Math.min(start + BLOCK, (row + 1) * width)
      let [low, high] = [0, 0]
      for (let i = start; i < end; i++) {
        if (values[i] < low) low = values[i]
        else if (values[i] > high) high = values[i]
      }
      const scale = Math.fround((high - low) / 15)
      const inverse = scale > 0 ? 1 / scale : 0
      const zero = Math.min(15, Math.max(0, Math.round(-low * inverse)))
      scales[row * blocks + block] = scale
      zeros[row * pairs + (block >> 1)] |= zero << (4 * (block & 1))
      const at = (row * blocks + block) * half
      for (let i = start; i < end; i++) {
        const q = Math.min(15, Math.max(0, Math.round(values[i] * inverse) + zero))
        packed[at + ((i - start) >> 1)] |= q << (4 * ((i - start) & 1))
      }
    }
  }
  return { packed, scales, zeros }
}

/**
 * Turns the products of `graph` into MatMulNBits, in place, and writes all its weights to `file` in `out`. The product
 * that makes the logits stays as it is, unless `head`.
 *
 * @param folder where the files are that the graph's weights refer to
 */
export async function quantizeGraph(graph: Graph, folder: string, out: string, file: string, head: boolean) {
  const data = await open(join(out, file), 'w')
  let end = 0
  const append = async (chunks: AsyncIterable<Uint8Array> | Uint8Array[]) => {
    const offset = Math.ceil(end / ALIGNED) * ALIGNED
    await data.write(new Uint8Array(offset - end), 0, offset - end, end)
    end = offset
    for await (const chunk of chunks) {
      await data.write(chunk, 0, chunk.length, end)
      end += chunk.length
    }
    return { file, offset, length: end - offset }
  }
  try {
    for (const [node, weight] of productsOf(graph)) {
      if (!head && isHead(graph, node)) continue
      const tensor = graph.initializers.get(weight)!
      const [to, from] = tensor.shape
      const names = ['Q4', 'scales', 'zero_points'].map(kind => `${weight}_${kind}`)
      if (!graph.has(names[0])) {
        const blocks = Math.ceil(from / BLOCK)
        const dtype = graph.type(node.inputs[0]).dtype
        const { packed, scales, zeros } = await quantizeTensor(tensor, folder)
        const numbers = dtype === 'float16' || dtype === 'bfloat16' ? narrow(scales, dtype) : scales
        const bytes = new Uint8Array(numbers.buffer)
        graph.weight(names[0], { dtype: 'uint8', shape: [to, blocks, BLOCK / 2], ...(await append([packed])) })
        graph.weight(names[1], { dtype, shape: [to, blocks], ...(await append([bytes])) })
        graph.weight(names[2], { dtype: 'uint8', shape: [to, Math.ceil(blocks / 2)], ...(await append([zeros])) })
      }
      node.op = 'MatMulNBits'
      node.domain = 'com.microsoft'
      node.inputs = [node.inputs[0], ...names]
      node.attrs = { K: from, N: to, bits: 4, block_size: BLOCK }
    }
    prune(graph)
    for (const [name, tensor] of graph.initializers) {
      if ('data' in tensor || tensor.file === file) continue
      const { dtype, shape } = tensor
      graph.initializers.set(name, { dtype, shape, ...(await append(pieces(tensor, folder))) })
    }
  } finally {
    await data.close()
  }
}

/** Nodes MatMul(x, Wᵀ) and their W, stored in another dtype perhaps. */
function productsOf(graph: Graph): [Node, string][] {
  const makers = graph.producers()
  return graph.nodes.flatMap((node): [Node, string][] => {
    const transpose = node.op === 'MatMul' ? makers.get(node.inputs[1]) : undefined
    if (transpose?.op !== 'Transpose') return []
    const cast = makers.get(transpose.inputs[0])
    const weight = cast?.op === 'Cast' ? cast.inputs[0] : transpose.inputs[0]
    const tensor = graph.initializers.get(weight)
    return tensor && isFloat(tensor.dtype) && tensor.shape.length === 2 ? [[node, weight]] : []
  })
}

function isHead(graph: Graph, { outputs }: Node): boolean {
  const makers = graph.producers()
  let maker = makers.get('logits')
  while (maker && (maker.op === 'Identity' || maker.op === 'Cast')) maker = makers.get(maker.inputs[0])
  return maker?.outputs[0] === outputs[0]
}

async function quantizeTensor(tensor: Tensor, folder: string): Promise<Blocks> {
  const [rows, width] = tensor.shape
  const step = Math.max(1, Math.floor(GROUP / width))
  const parts: Blocks[] = []
  for (let row = 0; row < rows; row += step) {
    const shape = [Math.min(step, rows - row), width]
    const [start, length] = [row * width * bytesOf(tensor.dtype), shape[0] * width * bytesOf(tensor.dtype)]
    const slice: Tensor =
      'data' in tensor
        ? { dtype: tensor.dtype, shape, data: tensor.data.subarray(start, start + length) }
        : { ...tensor, shape, offset: tensor.offset + start, length }
    const { data } = await loadTensor(slice, folder, true)
    parts.push(quantizeRows(data as Float32Array, width))
  }
  const bytes = Buffer.concat(parts.map(({ scales }) => new Uint8Array(scales.buffer)))
  const scales = new Float32Array(bytes.length / 4)
  new Uint8Array(scales.buffer).set(bytes)
  return {
    packed: Buffer.concat(parts.map(part => part.packed)),
    scales,
    zeros: Buffer.concat(parts.map(part => part.zeros)),
  }
}
