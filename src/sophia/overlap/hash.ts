/**
 * The perceptual hash of a picture: the signs of its lowest frequencies. pHash after Zauner, "Implementation and
 * Benchmarking of Perceptual Image Hash Functions" (2010), as the Python package imagehash has it: grey values, DCT-II,
 * the low corner against its median. 64 bits are what is looked up; 256 bits of the same transform have to agree too,
 * because the few lines of a drawing on white leave 64 bits of it to chance.
 */

/** Width and height of the grey values that are hashed. */
export const side = 64
const low = 16

export interface Hash {
  /** Two words of 32 bits: the lowest 8 × 8 frequencies. */
  coarse: Uint32Array
  /** Eight words: the lowest 16 × 16. */
  fine: Uint32Array
}

/** cos(π k (2x + 1) / 2N): a DCT-II up to scale, which a median does not see. (low, side) */
const cosines = Float64Array.from({ length: low * side }, (_, i) =>
  Math.cos((Math.PI * Math.floor(i / side) * (2 * (i % side) + 1)) / (2 * side)),
)

/** @param grey (side, side) values 0 … 255, row by row */
export function hashOf(grey: ArrayLike<number>): Hash {
  const across = new Float64Array(side * low) // (y, frequency)
  for (let y = 0; y < side; y++)
    for (let k = 0; k < low; k++) {
      let sum = 0
      for (let x = 0; x < side; x++) sum += grey[y * side + x] * cosines[k * side + x]
      across[y * low + k] = sum
    }
  const frequencies = new Float64Array(low * low) // (down, across)
  for (let k = 0; k < low; k++)
    for (let l = 0; l < low; l++) {
      let sum = 0
      for (let y = 0; y < side; y++) sum += across[y * low + l] * cosines[k * side + y]
      frequencies[k * low + l] = sum
    }
  const corner = Float64Array.from({ length: 64 }, (_, i) => frequencies[(i >> 3) * low + (i & 7)])
  return { coarse: bitsOf(corner), fine: bitsOf(frequencies) }
}

/** One bit a value, most significant first: above the median or not. */
function bitsOf(values: Float64Array): Uint32Array {
  const sorted = values.slice().sort()
  const median = (sorted[values.length / 2 - 1] + sorted[values.length / 2]) / 2
  const bits = new Uint32Array(values.length / 32)
  for (const [i, value] of values.entries()) if (value > median) bits[i >> 5] |= 1 << (31 - (i & 31))
  return bits
}

/** Bits in which `a` and `b` differ. */
export function distance(a: Uint32Array, b: Uint32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    let bits = a[i] ^ b[i]
    bits -= (bits >>> 1) & 0x55555555
    bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
    sum += Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
  }
  return sum
}
