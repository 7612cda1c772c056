/**
 * Randomness by name. A draw is a pure function of the seed and of the keys that name it (row id, caption index, …),
 * so it does not matter in which order, batch or process the draws are made. Not for cryptography.
 */

type Key = string | number

const encoder = new TextEncoder()

/** One number in [0, 1) for `seed` and `keys`; the same on every machine. */
export function uniform(seed: number, ...keys: Key[]): number {
  return stream(seed, ...keys)()
}

/** An endless sequence of numbers in [0, 1) for `seed` and `keys` (sfc32, seeded by two 32-bit FNV-1a hashes). */
export function stream(seed: number, ...keys: Key[]): () => number {
  const bytes = encoder.encode(JSON.stringify([seed, ...keys]))
  let a = hash(bytes, 0x811c9dc5)
  let b = hash(bytes, 0x9e3779b9)
  let c = a ^ (b >>> 7) ^ bytes.length
  let counter = 1
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) next() // sfc32 wants a dozen rounds before its output is well mixed
  return () => (next() >>> 5) / 2 ** 27
}

/** A permutation of 0 … length-1 (Fisher–Yates) named by `seed` and `keys`. */
export function permutation(length: number, seed: number, ...keys: Key[]): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i)
  const next = stream(seed, ...keys)
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    const swapped = order[i]
    order[i] = order[j]
    order[j] = swapped
  }
  return order
}

function hash(bytes: Uint8Array, basis: number): number {
  let h = basis
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) | 0
}
