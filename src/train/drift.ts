/** How far training has gone from where it began. */

import { bytesOf, sizeOf, type Tensor } from '../graph/ir.ts'
import { loadTensor } from '../models/safetensors.ts'

/** Elements of a starting weight that are read at once. */
const CHUNK = 1 << 20

/**
 * ‖θ − θ₀‖ / ‖θ₀‖ over all tensors.
 *
 * @param tensors each tensor θ and what it was, θ₀, in memory or in a file in `folder`
 */
export async function driftOf(tensors: { start: Tensor; weight: Float32Array }[], folder: string): Promise<number> {
  const room = new Uint8Array(4 * CHUNK)
  let [moved, from] = [0, 0]
  for (const { start, weight } of tensors) {
    for (let at = 0; at < weight.length; at += CHUNK) {
      const { data } = await loadTensor(part(start, at, CHUNK), folder, true, room)
      for (let i = 0; i < data.length; i++) {
        const was = data[i] as number
        moved += (weight[at + i] - was) ** 2
        from += was ** 2
      }
    }
  }
  return Math.sqrt(moved / from)
}

/** At most `size` elements of a tensor from element `at` on, as a vector. */
function part(tensor: Tensor, at: number, size: number): Tensor {
  const width = bytesOf(tensor.dtype)
  const elements = Math.min(size, sizeOf(tensor.shape) - at)
  const [offset, length] = [at * width, elements * width]
  const head = { dtype: tensor.dtype, shape: [elements] }
  if ('data' in tensor) return { ...head, data: tensor.data.subarray(offset, offset + length) }
  return { ...head, file: tensor.file, offset: tensor.offset + offset, length }
}
