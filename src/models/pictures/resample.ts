/**
 * Resizing as Pillow does it, to the byte (before Pillow 13, which takes a tall picture's columns first): models were trained on pictures that Pillow (or torchvision, which agrees but
 * for rounding) had shrunk. transformers.js shrinks without widening the filter, so that most pixels of a large picture
 * are never looked at (measured on a drawing shrunk sixfold: a mean difference of 12 levels of 255).
 */

/** A filter of support `reach` in source pixels, at scale 1. */
interface Filter {
  reach: number
  at: (x: number) => number
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

/** Keys' cubic (1981) with a = -1/2. */
function cubic(x: number): number {
  const t = Math.abs(x)
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0
}

/** By Pillow's numbers, which preprocessor_config.json gives as `resample`. */
const FILTERS: Record<number, Filter> = {
  1: { reach: 3, at: x => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) }, // Lanczos
  2: { reach: 1, at: x => Math.max(0, 1 - Math.abs(x)) }, // bilinear
  3: { reach: 2, at: cubic },
  4: { reach: 0.5, at: x => (x > -0.5 && x <= 0.5 ? 1 : 0) }, // box
}

/** Weights are rounded to this many bits, as Pillow's are. */
const BITS = 22

interface Taps {
  from: number
  weights: Int32Array
}

/** Which source pixels make up each of `to` pixels, and with what weights. */
function tapsOf(from: number, to: number, { reach, at }: Filter): Taps[] {
  const scale = from / to
  const width = Math.max(scale, 1)
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale
    const start = Math.max(0, Math.trunc(centre - reach * width + 0.5))
    const end = Math.min(from, Math.trunc(centre + reach * width + 0.5))
    const raw = Array.from({ length: end - start }, (_, k) => at((start + k - centre + 0.5) / width))
    const sum = raw.reduce((a, b) => a + b, 0)
    const rounded = raw.map(w => Math.trunc((w / sum) * 2 ** BITS + (w < 0 ? -0.5 : 0.5)))
    return { from: start, weights: Int32Array.from(rounded) }
  })
}

/** A picture of bytes, row by row, channels interleaved. */
export interface Bytes {
  data: Uint8Array | Uint8ClampedArray
  width: number
  height: number
  channels: number
}

/** @param resample Pillow's number of the filter; undefined comes back for one that is not here */
export function resampled(image: Bytes, width: number, height: number, resample: number): Bytes | undefined {
  const filter = FILTERS[resample]
  if (!filter) return undefined
  const { channels } = image
  const across =
    width === image.width ? image : pass(image, width, image.height, tapsOf(image.width, width, filter), channels)
  if (height === image.height) return across
  // Down the columns: a row's pixels are width · channels neighbours that all have the same taps.
  const taps = tapsOf(image.height, height, filter)
  const data = new Uint8ClampedArray(width * height * channels)
  const line = width * channels
  for (let y = 0; y < height; y++) {
    const { from, weights } = taps[y]
    for (let x = 0; x < line; x++) {
      let sum = 1 << (BITS - 1)
      for (let k = 0; k < weights.length; k++) sum += across.data[(from + k) * line + x] * weights[k]
      data[y * line + x] = sum >> BITS
    }
  }
  return { data, width, height, channels }
}

/** Along the rows. */
function pass(image: Bytes, width: number, height: number, taps: Taps[], channels: number): Bytes {
  const data = new Uint8ClampedArray(width * height * channels)
  for (let y = 0; y < height; y++) {
    const start = y * image.width * channels
    for (let x = 0; x < width; x++) {
      const { from, weights } = taps[x]
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1)
        for (let k = 0; k < weights.length; k++) sum += image.data[start + (from + k) * channels + c] * weights[k]
        data[(y * width + x) * channels + c] = sum >> BITS
      }
    }
  }
  return { data, width, height, channels }
}
