/**
 * How far apart two pictures are where they differ most: the third thing that has to agree. A hash of frequencies sees
 * little of a bar that is one unit higher, and nothing of colours.
 */

/** Areas in a row and in a column. */
export const cells = 16
/** A channel's spread within an area, below which there is no colour. */
const colourless = 24

/**
 * The greatest difference, 0 … 255, between the same areas of two pictures: in a channel, or in luma where one of the
 * pictures is grey, so that a grey copy is the same picture.
 * @param a, b (3, cells, cells) mean red, green and blue
 */
export function apart(a: Uint8Array, b: Uint8Array): number {
  const grey = !coloured(a) || !coloured(b)
  let most = 0
  const areas = cells * cells
  for (let i = 0; i < areas; i++) {
    if (grey) most = Math.max(most, Math.abs(luma(a, i) - luma(b, i)))
    else for (let at = i; at < 3 * areas; at += areas) most = Math.max(most, Math.abs(a[at] - b[at]))
  }
  return most
}

function luma(colours: Uint8Array, i: number): number {
  return 0.299 * colours[i] + 0.587 * colours[cells * cells + i] + 0.114 * colours[2 * cells * cells + i]
}

function coloured(colours: Uint8Array): boolean {
  for (let i = 0; i < cells * cells; i++) {
    const [red, green, blue] = [colours[i], colours[cells * cells + i], colours[2 * cells * cells + i]]
    if (Math.max(red, green, blue) - Math.min(red, green, blue) >= colourless) return true
  }
  return false
}
