/** 16-bit floats, which JavaScript has not: their bits in a Uint16Array, widened to float32 and rounded back. */

import { UserError } from '../errors.ts'

const word = new Uint32Array(1)
const single = new Float32Array(word.buffer)

function fromBfloat16(bits: number): number {
  word[0] = bits << 16
  return single[0]
}

/** Rounds to nearest, ties to even. */
function toBfloat16(value: number): number {
  single[0] = value
  const bits = word[0]
  if (Number.isNaN(value)) return (bits >>> 16) | 64
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** IEEE 754 binary16. */
function fromFloat16(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024))
}

/** Rounds to nearest, ties to even; beyond 65504 to infinity, as PyTorch does. */
function toFloat16(value: number): number {
  single[0] = value
  const [sign, size] = [(word[0] >>> 16) & 0x8000, word[0] & 0x7fffffff]
  if (size > 0x7f800000) return sign | 0x7e00
  if (size >= 0x47800000) return sign | 0x7c00
  if (size >= 0x38800000) {
    const rebased = size - 0x38000000 // the exponent's bias from 127 to 15
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13)
  }
  const scaled = Math.abs(single[0]) * 2 ** 24 // a subnormal's unit is 2⁻²⁴
  const below = Math.floor(scaled)
  const rest = scaled - below
  return sign | (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below)
}

export type Half = 'float16' | 'bfloat16'

export const isHalf = (dtype: string): dtype is Half => dtype === 'float16' || dtype === 'bfloat16'

export function widen(bits: Uint16Array, dtype: Half): Float32Array {
  const from = dtype === 'bfloat16' ? fromBfloat16 : fromFloat16
  const result = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) result[i] = from(bits[i])
  return result
}

export function narrow(values: ArrayLike<number>, dtype: Half): Uint16Array {
  const to = dtype === 'bfloat16' ? toBfloat16 : toFloat16
  const result = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) result[i] = to(values[i])
  return result
}

/** The floats that weights come in. */
export type Float = 'float32' | Half

export const isFloat = (dtype: string): dtype is Float => dtype === 'float32' || isHalf(dtype)

/**
 * Casts bytes of one dtype to another. Throws a UserError where a number of tensor `name` is too large for it.
 * The bytes have to start where a number does.
 */
export function castOf(name: string, from: string, to: string): (bytes: Uint8Array) => Uint8Array {
  if (from === to || !isFloat(from) || !isFloat(to)) return bytes => bytes
  return bytes => {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
    const { buffer, byteOffset, byteLength } = aligned
    const wide = from === 'float32' ? new Float32Array(buffer, byteOffset, byteLength / 4) : widen(new Uint16Array(buffer, byteOffset, byteLength / 2), from) // biome-ignore format: one thought
    const made = to === 'float32' ? wide : narrow(wide, to)
    if (made instanceof Uint16Array && to === 'float16') refuseOverflow(name, wide, made)
    return new Uint8Array(made.buffer, made.byteOffset, made.byteLength)
  }
}

function refuseOverflow(name: string, wide: Float32Array, bits: Uint16Array): void {
  const at = bits.findIndex((half, i) => (half & 0x7fff) === 0x7c00 && Number.isFinite(wide[i]))
  if (at < 0) return
  throw new UserError(`tensor ${name} holds ${wide[at]}, which fp16 (up to 65504) cannot. Take --dtype bf16 or fp32.`)
}
