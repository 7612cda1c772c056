/** Rotary positions (Su et al. 2021) as ONNX Runtime's operators have them: tables of cosines and sines, and positions. */

import type { Decomposition } from '../decompose.ts'
import type { Writer } from '../writer.ts'

export const ROTARY: Record<string, Decomposition> = {
  /** input (B, T, H·D) or (B, H, T, D); position_ids (1) or (B, T); cos and sin (positions, D′/2) → as the input */
  RotaryEmbedding: w => {
    const [input, positions, cos, sin] = w.x
    if (w.float('scale', 1) !== 1 || w.int('is_packed_batching', 0)) w.refuse('scaled or packed rotary positions')
    const half = w.graph.shape(cos)?.at(-1)
    const interleaved = w.int('interleaved', 0) === 1
    const headsFirst = w.graph.rank(input) === 4
    const size = w.int('rotary_embedding_dim', 0) ? headSize(w, input) : 2 * Number(half)
    const split = headsFirst ? w.transpose(input, [0, 2, 1, 3]) : w.reshape(input, [0, 0, -1, size]) // (B, T, H, D)
    const offset = w.graph.shape(positions)?.length === 1
    const at = offset ? w.add(positions, counted(w, w.op('Shape', [split], { start: 1, end: 2 }))) : positions
    const turned = rotate(w, split, at, cos, sin, interleaved)
    return [headsFirst ? w.transpose(turned, [0, 2, 1, 3]) : w.reshape(turned, w.op('Shape', [input]))]
  },

  /**
   * The same for a token with several positions (Qwen2-VL, Wang et al. 2024): input (B, T, H·D), position_ids (axes, B, T);
   * mrope_section says how many of a head's angles follow each axis, one after the other.
   */
  MRotaryEmbedding: w => {
    const [input, positions, cos, sin] = w.x
    if (w.int('is_packed_batching', 0) || w.int('mrope_layout', 0)) w.refuse('packed or interleaved rotary positions')
    if (w.int('rotary_embedding_dim', 0)) w.refuse('partial rotary positions')
    const sections = w.list('mrope_section') ?? w.refuse('rotary positions without mrope_section')
    const axes = w.many('Split', [positions], sections.length, { axis: 0, num_outputs: sections.length })
    const tables = [cos, sin].map(table => {
      const columns = w.many('Split', [table, w.graph.ints(sections)], sections.length, { axis: 1 })
      return w.concat(columns.map((part, i) => w.op('Gather', [part, w.squeeze(axes[i], 0)])), -1) // biome-ignore format: one thought
    }) // (B, T, D/2)
    const split = w.reshape(input, [0, 0, -1, 2 * sections.reduce((a, b) => a + b)])
    const turned = turn(w, split, tables, w.int('interleaved', 0) === 1)
    return [w.reshape(turned, w.op('Shape', [input]))]
  },
}

/** The size of a head of which only a part is turned. */
function headSize(w: Writer, input: string): number {
  const heads = w.int('num_heads', 0)
  const last = w.graph.shape(input)?.at(-1)
  if (w.graph.rank(input) === 4 && typeof last === 'number') return last
  return typeof last === 'number' && heads ? last / heads : w.refuse('partial rotary positions of unknown size')
}

/** 0 … n-1 for n in an int64 vector of one. */
export function counted(w: Writer, n: string): string {
  return w.op('Range', [w.graph.ints(0), w.squeeze(n, 0), w.graph.ints(1)])
}

/**
 * Turns the first D′ elements of each head.
 *
 * @param x (B, T, H, D)
 * @param positions (B, T) or (T,) int64
 * @param cos (positions, D′/2)
 * @param interleaved whether pairs are neighbours, not halves
 */
export function rotate(
  w: Writer,
  x: string,
  positions: string,
  cos: string,
  sin: string,
  interleaved: boolean,
): string {
  return turn(w, x, [cos, sin].map(table => w.op('Gather', [table, positions])), interleaved) // biome-ignore format: one thought
}

/** The same with the cosines and sines of each token, (B, T, D′/2) or (T, D′/2). */
function turn(w: Writer, x: string, tables: string[], interleaved: boolean): string {
  const { graph } = w
  const [size, half] = [x, tables[0]].map(value => graph.shape(value)?.at(-1))
  if (typeof size !== 'number' || typeof half !== 'number') return w.refuse('rotary positions of unknown size')
  const [c, s] = tables.map(table => w.unsqueeze(table, -2)) // (B, T, 1, D′/2)
  const rest = size - 2 * half
  const [turning, still] = rest ? w.many('Split', [x, graph.ints([2 * half, rest])], 2, { axis: -1 }) : [x]
  const pairs = interleaved ? w.reshape(turning, [0, 0, 0, half, 2]) : turning
  const parts = w.many('Split', [pairs], 2, { axis: -1, num_outputs: 2 })
  const [a, b] = interleaved ? parts.map(part => w.squeeze(part, -1)) : parts // (B, T, H, D′/2)
  const first = w.sub(w.mul(a, c), w.mul(b, s))
  const second = w.add(w.mul(b, c), w.mul(a, s))
  const turned = interleaved
    ? w.reshape(
        w.concat(
          [first, second].map(part => w.unsqueeze(part, -1)),
          -1,
        ),
        [0, 0, 0, 2 * half],
      )
    : w.concat([first, second], -1)
  return still ? w.concat([turned, still], -1) : turned
}
