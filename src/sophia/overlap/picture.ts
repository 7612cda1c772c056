/**
 * What a picture is recognised by: the hash of all of it and, where it has a margin, the hash of what is inside, so
 * that more or less white around a drawing changes nothing. Turned, mirrored and heavily cropped pictures are not
 * recognised.
 */
import { UserError } from '../../errors.ts'
import { cells } from './colours.ts'
import { type Hash, hashOf, side } from './hash.ts'

export interface View extends Hash {
  /** Width over height: stretched to a square, a bar and a box are the same drawing. */
  aspect: number
  /** (3, cells, cells): mean red, green and blue of 16 × 16 areas. */
  colours: Uint8Array
}

/** Grey values are taken from a square of this size. */
const size = 256
/** How far a grey value is from the margin's to be ink, and how small a drawing is not looked at by itself. */
const ink = 48
const smallest = 32
/** Standard deviation of grey values below which there is nothing to see. */
const blank = 4

/** One or two views; none of a picture that is nearly blank. @param bytes encoded. @throws UserError if they are no picture. */
export async function viewsOf(bytes: Uint8Array): Promise<View[]> {
  const { default: sharp } = await import('sharp')
  let shape: number
  let rgb: Buffer
  try {
    const picture = sharp(bytes).flatten({ background: 'white' }).toColourspace('srgb')
    const { width, height } = await picture.metadata()
    shape = width / height
    rgb = await picture.resize(size, size, { fit: 'fill' }).removeAlpha().raw().toBuffer()
  } catch (error) {
    throw new UserError(
      `image: expected a picture (PNG, JPEG, …), got ${bytes.length} bytes: ${(error as Error).message}`,
    )
  }
  const { grey, planes } = valuesOf(rgb)
  const whole = { left: 0, top: 0, width: size, height: size }
  const inside = inked(grey)
  const boxes = inside && inside.width * inside.height < 0.97 * size * size ? [whole, inside] : [whole]
  const views: View[] = []
  for (const box of boxes) {
    const small = shrink(grey, box, side)
    if (deviation(small) < blank) continue
    const colours = Uint8Array.from(planes.flatMap(plane => [...shrink(plane, box, cells)]))
    views.push({ ...hashOf(small), aspect: (shape * box.width) / box.height, colours })
  }
  return views
}

/** Luma as imagehash takes it, and the three channels. (size, size) each */
function valuesOf(rgb: Buffer): { grey: Float64Array; planes: Float64Array[] } {
  const [grey, red, green, blue] = Array.from({ length: 4 }, () => new Float64Array(size * size))
  for (let i = 0; i < grey.length; i++) {
    red[i] = rgb[3 * i]
    green[i] = rgb[3 * i + 1]
    blue[i] = rgb[3 * i + 2]
    grey[i] = 0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i]
  }
  return { grey, planes: [red, green, blue] }
}

interface Box {
  left: number
  top: number
  width: number
  height: number
}

/** The box of all that is not margin, or undefined where there is too little. */
function inked(grey: Float64Array): Box | undefined {
  const edge: number[] = []
  for (let i = 0; i < size; i++)
    edge.push(grey[i], grey[(size - 1) * size + i], grey[i * size], grey[i * size + size - 1])
  const margin = edge.sort((a, b) => a - b)[edge.length >> 1]
  let [left, right, top, bottom] = [size, -1, size, -1]
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (Math.abs(grey[y * size + x] - margin) > ink) {
        if (x < left) left = x
        if (x > right) right = x
        if (y < top) top = y
        bottom = y
      }
  const [width, height] = [right - left + 1, bottom - top + 1]
  return width >= smallest && height >= smallest ? { left, top, width, height } : undefined
}

/** The box as (side, side) means over areas; a pixel on the border of two areas is shared out. */
function shrink(grey: Float64Array, { left, top, width, height }: Box, side: number): Float64Array {
  const columns = partsOf(left, width, side)
  const rows = partsOf(top, height, side)
  const made = new Float64Array(side * side)
  const line = new Float64Array(size)
  for (let y = 0; y < side; y++) {
    line.fill(0)
    const { first, shares } = rows[y]
    for (let i = 0; i < shares.length; i++) {
      const at = (first + i) * size
      for (let x = left; x < left + width; x++) line[x] += shares[i] * grey[at + x]
    }
    for (let x = 0; x < side; x++) {
      const { first, shares } = columns[x]
      for (let i = 0; i < shares.length; i++) made[y * side + x] += shares[i] * line[first + i]
    }
  }
  return made
}

/** For each of `side` equal parts of start … start + length: its pixels from `first` on, and their shares in its mean. */
function partsOf(start: number, length: number, side: number): { first: number; shares: number[] }[] {
  const part = length / side
  return Array.from({ length: side }, (_, i) => {
    const [from, to] = [i * part, (i + 1) * part]
    const first = Math.floor(from)
    const shares: number[] = []
    for (let at = first; at < Math.min(to, length); at++)
      shares.push((Math.min(to, at + 1) - Math.max(from, at)) / part)
    return { first: start + first, shares }
  })
}

function deviation(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}
