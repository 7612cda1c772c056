/**
 * The grid of features that LLaVA-OneVision makes of a picture's tiles, worked out from the picture's size: which
 * resolution it is brought to, which part of the grid is no padding, and what each feature is made of.
 */

export interface Size {
  width: number
  height: number
}

/** How pictures are cut up. */
export interface Layout {
  /** Pixels on a side of a tile, and patches. */
  tile: number
  side: number
  /** Resolutions that pictures may be brought to. */
  points: Size[]
  /** A grid of more features than this many tiles have is shrunk. */
  most: number
}

/** The resolution that keeps most of a picture's pixels, and of those the one with least padding. */
function bestOf({ width, height }: Size, points: Size[]): Size {
  let [best, kept, wasted] = [points[0], 0, Number.POSITIVE_INFINITY]
  for (const point of points) {
    const scale = Math.min(point.width / width, point.height / height)
    const keeps = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height)
    const wastes = point.width * point.height - keeps
    if (keeps > kept || (keeps === kept && wastes < wasted)) [best, kept, wasted] = [point, keeps, wastes]
  }
  return best
}

/** The features of a picture's tiles laid out as one grid, and the part of it that is looked at. */
export interface Grid extends Size {
  /** Pixels that the picture is brought to, padding included. */
  point: Size
  /** The part without padding, in features: its corner and size. `width` and `height` are what it is shrunk to. */
  top: number
  left: number
  inner: Size
}

export function gridOf(size: Size, s: Layout): Grid {
  const point = bestOf(size, s.points)
  const whole = { width: (point.width / s.tile) * s.side, height: (point.height / s.tile) * s.side }
  // Rounded to seven digits before it is cut off, as in Hugging Face's code.
  const truncated = (x: number) => Math.trunc(Math.round(x * 1e7) / 1e7)
  let [top, left] = [0, 0]
  if (size.width / size.height > whole.width / whole.height)
    top = Math.floor((whole.height - truncated(size.height * (whole.width / size.width))) / 2)
  else left = Math.floor((whole.width - truncated(size.width * (whole.height / size.height))) / 2)
  const inner = { width: whole.width - 2 * left, height: whole.height - 2 * top }
  const ratio = Math.sqrt((inner.width * inner.height) / (s.most * s.side ** 2))
  const shrunk = (side: number) => (ratio > 1.1 ? Math.round((side - (side % ratio)) / ratio) : side)
  return { point, top, left, inner, width: shrunk(inner.width), height: shrunk(inner.height) }
}

/** What a feature is made of: rows among the patches of all tiles, and what they weigh; nothing is a newline. */
export type Parts = [row: number, weight: number][]

/** The patches of the first tile. */
export const firstTile = (side: number): Parts[] => Array.from({ length: side * side }, (_, i) => [[i, 1]])

/** The features of a picture: of the whole one, then of the grid, row by row. */
export function featuresOf(grid: Grid, { tile, side }: Pick<Layout, 'tile' | 'side'>): Parts[] {
  const columns = grid.point.width / tile
  const rowOf = (y: number, x: number) => {
    const which = 1 + Math.floor(y / side) * columns + Math.floor(x / side)
    return (which * side + (y % side)) * side + (x % side)
  }
  const features = firstTile(side)
  for (const down of taps(grid.inner.height, grid.height)) {
    for (const across of taps(grid.inner.width, grid.width)) {
      const parts = down.flatMap(([y, dy]) =>
        across.map(([x, dx]): Parts[number] => [rowOf(grid.top + y, grid.left + x), dy * dx]),
      )
      features.push(parts)
    }
    features.push([])
  }
  return features
}

/** Which of `from` places each of `to` is made of, and their shares: two, or one (bilinear, without widening). */
function taps(from: number, to: number): [place: number, share: number][][] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5)
    const before = Math.floor(at)
    const share = at - before
    return share === 0 ? [[before, 1]] : [[before, 1 - share], [Math.min(before + 1, from - 1), share]] // biome-ignore format: one thought
  })
}
