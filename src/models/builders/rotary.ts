/**
 * Rotary positions (Su et al. 2021) and the ways of stretching them that configs name: linear, dynamic (NTK), Llama 3's
 * and YaRN (Peng et al. 2023). Left out: LongRoPE, heads that rotate in part.
 */

import { UserError } from '../../errors.ts'
import type { Net } from './layers.ts'

/** `rope_parameters` (transformers 5), or `rope_scaling` with `rope_theta` beside it (before). */
export interface RopeSettings {
  rope_theta?: number
  rope_type?: string
  /** The older name of `rope_type`. */
  type?: string
  factor?: number | null
  low_freq_factor?: number
  high_freq_factor?: number
  original_max_position_embeddings?: number
  attention_factor?: number
  beta_fast?: number
  beta_slow?: number
  mscale?: number
  mscale_all_dim?: number
  truncate?: boolean
  partial_rotary_factor?: number
  /** How many pairs of a head turn by each of a token's position ids, one axis after the other (Wang et al. 2024). */
  mrope_section?: number[]
}

export interface RopeConfig {
  rope_theta?: number
  rope_scaling?: RopeSettings | null
  rope_parameters?: RopeSettings | null
  max_position_embeddings?: number
}

export interface Rope {
  /** Angle per position of each pair of a head's numbers: (Dh/2). */
  frequencies: number[]
  /** What cos and sin are multiplied by. */
  scale: number
  /** Sequences longer than `length` get frequencies from a larger base. */
  dynamic?: { factor: number; length: number }
  /** Which of a token's position ids each pair turns by, where it has several: (Dh/2). */
  axes?: number[]
}

/** How many position ids a token has where it has several, in Qwen2-VL: frame, row and column. */
export const AXES = 3

/** The frequencies that a config asks for, for heads of `size`. Throws a UserError for a kind that is left out. */
export function ropeOf(c: RopeConfig, size: number, theta = 10_000): Rope {
  const sections = c.rope_parameters?.mrope_section ?? c.rope_scaling?.mrope_section
  const rope = plainRopeOf(c, size, theta)
  if (!sections) return rope
  if (rope.dynamic) throw refused('rope type dynamic with mrope_section')
  return { ...rope, axes: sections.flatMap((pairs, i) => Array<number>(pairs).fill(i % AXES)) }
}

function plainRopeOf(c: RopeConfig, size: number, theta: number): Rope {
  const held = { rope_theta: c.rope_theta ?? theta, ...c.rope_scaling, ...c.rope_parameters }
  const kind = held.rope_type ?? held.type ?? 'default'
  if ((held.partial_rotary_factor ?? 1) !== 1) throw refused(`partial_rotary_factor ${held.partial_rotary_factor}`)
  const plain = Array.from({ length: size / 2 }, (_, i) => held.rope_theta ** ((-2 * i) / size))
  const length = c.max_position_embeddings ?? 2048
  const need = (key: 'factor' | 'low_freq_factor' | 'high_freq_factor') => {
    if (typeof held[key] === 'number') return held[key]
    throw refused(`rope type ${kind} without a number at ${key}`)
  }
  switch (kind) {
    case 'default':
    case 'mrope': // which says how positions are counted, and nothing of frequencies
      return { frequencies: plain, scale: 1 }
    case 'linear':
      return { frequencies: plain.map(f => f / need('factor')), scale: 1 }
    case 'dynamic':
      return { frequencies: plain, scale: 1, dynamic: { factor: need('factor'), length } }
    case 'llama3': {
      const [low, high] = [need('low_freq_factor'), need('high_freq_factor')]
      const original = held.original_max_position_embeddings ?? length
      return { frequencies: plain.map(f => llama3(f, need('factor'), low, high, original)), scale: 1 }
    }
    case 'yarn':
      return yarn(plain, held, size, length)
    default:
      throw refused(`rope type ${kind}`)
  }
}

const refused = (what: string) =>
  new UserError(
    `config.json: ${what} is not supported; expected one of the types default, linear, dynamic, llama3, yarn`,
  )

/** Long waves are stretched, short ones kept, those between blended by how often they fit into the first length. */
function llama3(frequency: number, factor: number, low: number, high: number, original: number): number {
  const fits = (original * frequency) / (2 * Math.PI)
  const kept = Math.min(1, Math.max(0, (fits - low) / (high - low)))
  return (1 - kept) * (frequency / factor) + kept * frequency
}

/** Likewise, but blended along the index of the pair, and with attention sharpened by `scale`. */
function yarn(plain: number[], held: RopeSettings & { rope_theta: number }, size: number, length: number): Rope {
  const original = held.original_max_position_embeddings ?? length
  const factor = held.factor ?? length / original
  const grown = (by = 1) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1)
  const both = held.mscale && held.mscale_all_dim
  const scale = held.attention_factor ?? (both ? grown(held.mscale) / grown(held.mscale_all_dim) : grown())
  const index = (rotations: number) =>
    (size * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(held.rope_theta))
  const ends = [index(held.beta_fast || 32), index(held.beta_slow || 1)]
  if (held.truncate ?? true) ends.splice(0, 2, Math.floor(ends[0]), Math.ceil(ends[1]))
  const [low, high] = [Math.max(ends[0], 0), Math.min(ends[1], size - 1)]
  const frequencies = plain.map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)))
    return ramp * (f / factor) + (1 - ramp) * f
  })
  return { frequencies, scale }
}

/** cos and sin of the angles, each (B, T, 1, Dh); sin carries the sign of the half that it multiplies. */
export interface Rotary {
  cos: string
  sin: string
}

/** Tables for position_ids (B, T), or (axes, B, T) where the rope has several. */
export function rotaryTables(net: Net, rope: Rope, positions: string): Rotary {
  const { g } = net
  const numbers = g.op('Cast', [positions], { to: 1 })
  const each = (axes: number[]) => net.transpose(g.op('Gather', [numbers, g.ints(axes)]), [1, 2, 0]) // (B, T, Dh/2)
  const at = rope.axes
    ? g.op('Unsqueeze', [each(rope.axes), g.ints([2])])
    : g.op('Unsqueeze', [numbers, g.ints([2, 3])]) // (B, T, 1, Dh/2 or 1)
  const frequencies = rope.dynamic ? stretched(net, rope, at) : constant(net, rope)
  return tablesOf(net, g.op('Mul', [at, frequencies]), rope.scale)
}

/** Tables of angles (B, T, 1, Dh/2) in float32. */
export function tablesOf(net: Net, angles: string, scale = 1): Rotary {
  const { g } = net
  const scaled = (x: string) => net.as(scale === 1 ? x : g.op('Mul', [x, g.scalar(scale)]))
  const [cos, sin] = [scaled(g.op('Cos', [angles])), scaled(g.op('Sin', [angles]))]
  return {
    cos: g.op('Concat', [cos, cos], { axis: -1 }),
    sin: g.op('Concat', [g.op('Neg', [sin]), sin], { axis: -1 }),
  }
}

const constant = ({ g }: Net, { frequencies }: Rope) => g.floats(frequencies, [frequencies.length])

/**
 * Dynamic NTK: a sequence of n > L tokens rotates by the base θ·(s·n/L − (s−1))^(D/(D−2)). Taken for each row by
 * itself, so that a row does not depend on its neighbours. at (B, T, 1, 1) → (B, 1, 1, Dh/2)
 */
function stretched(net: Net, rope: Rope, at: string): string {
  const { g } = net
  const { factor, length } = rope.dynamic!
  const size = 2 * rope.frequencies.length
  const last = g.op('ReduceMax', [at, g.ints([1])], { keepdims: 1 })
  const tokens = g.op('Max', [g.op('Add', [last, g.scalar(1)]), g.scalar(length)]) // (B, 1, 1, 1)
  const ratio = g.op('Sub', [g.op('Mul', [tokens, g.scalar(factor / length)]), g.scalar(factor - 1)])
  // θ'^(−2i/D) = θ^(−2i/D) · ratio^(−2i/(D−2))
  const powers = rope.frequencies.map((_, i) => (-2 * i) / (size - 2))
  const shrink = g.op('Exp', [g.op('Mul', [g.op('Log', [ratio]), g.floats(powers, [powers.length])])])
  return g.op('Where', [g.op('Greater', [tokens, g.scalar(length)]), g.op('Mul', [constant(net, rope), shrink]), constant(net, rope)]) // biome-ignore format: one thought
}

/** x · cos + swap(x) · sin, the halves of each head rotated against each other. x (B, T, H, Dh) */
export function rotate(net: Net, x: string, { cos, sin }: Rotary): string {
  const { g } = net
  const [low, high] = g.many('Split', [x], 2, { axis: -1, num_outputs: 2 })
  const swapped = g.op('Concat', [high, low], { axis: -1 })
  return net.add(g.op('Mul', [x, cos]), g.op('Mul', [swapped, sin]))
}
