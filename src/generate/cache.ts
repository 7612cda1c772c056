/**
 * Caches on the host, between bursts: rows are taken from wherever they lie (a prefill, the last burst) and packed side
 * by side, left-padded to the longest, into buffers that are used again.
 */

import type { DType } from '../graph/ir.ts'
import type { Data, HostTensor } from '../graph/session.ts'

export interface Layout {
  dtype: DType
  /** Tensors of a cache: twice the layers. */
  count: number
  heads: number
  size: number
}

/** Tokens from … from+length-1 of one row of tensors that are (rows, heads, width, size) each. */
export interface Piece {
  tensors: Data[]
  row: number
  width: number
  from: number
  length: number
}

export const lengthOf = (pieces: Piece[]) => pieces.reduce((sum, piece) => sum + piece.length, 0)

/** Packs rows into one of two sets of buffers in turn, so that the last packed rows may be among the sources. */
export class Packer {
  private readonly buffers: ArrayBuffer[][] = [[], []]
  private turn = 0

  constructor(private readonly layout: Layout) {}

  /** @returns tensors (rows, heads, width, size); width is the longest row's, 1 at least */
  pack(rows: Piece[][]): { tensors: HostTensor[]; width: number } {
    const { count, heads, size, dtype } = this.layout
    const width = Math.max(1, ...rows.map(lengthOf))
    this.turn ^= 1
    const tensors = Array.from({ length: count }, (_, i): HostTensor => {
      const data = this.buffer(i, rows.length * heads * width * size)
      rows.forEach((pieces, row) => {
        for (let head = 0; head < heads; head++) {
          const start = (row * heads + head) * width
          let at = start + width - lengthOf(pieces)
          // Padding is masked, but must be finite: buffers start as zeros and only ever hold cache values.
          for (const piece of pieces) {
            const from = ((piece.row * heads + head) * piece.width + piece.from) * size
            data.set(piece.tensors[i].subarray(from, from + piece.length * size) as never, at * size)
            at += piece.length
          }
        }
      })
      return { dtype, shape: [rows.length, heads, width, size], data }
    })
    return { tensors, width }
  }

  private buffer(i: number, length: number): Float32Array | Uint16Array {
    const Type = this.layout.dtype === 'float16' ? Uint16Array : Float32Array
    const set = this.buffers[this.turn]
    const bytes = length * Type.BYTES_PER_ELEMENT
    if (!set[i] || set[i].byteLength < bytes) set[i] = new ArrayBuffer(Math.ceil(bytes * 1.5))
    return new Type(set[i], 0, length)
  }
}
