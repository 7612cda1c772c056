/**
 * Where the patches of several pictures of different sizes stand in one array. Patches come end to end, and a row of
 * attention has to be one picture's: so each picture becomes a row of slots as long as the longest, window by window,
 * block by block (a block is the square of patches that become one feature), and slots beyond its edges are masked.
 * All of it is worked out inside the graph from the grids, by arithmetic on integers. A picture is one frame.
 */

import type { Net } from './layers.ts'

export interface Slots {
  /** Which patch is in a slot: (N, L); where there is none, any. */
  patches: string
  /** Its row and its column in its picture: (N, L). */
  rows: string
  columns: string
  /** Added to scores: 0 for a slot with a patch, else a large negative number, float32 (N, L). */
  bias: string
  /** For each feature, in the order of the text, where its block stands among all blocks of slots: (features). */
  features: string
}

/**
 * @param grid (N, 3): frames, rows and columns of patches
 * @param count how many patches there are: (1)
 * @param merge patches on a side of a block
 * @param side blocks on a side of a window
 */
export function slotsOf(net: Net, grid: string, count: string, merge: number, side: number): Slots {
  const { g } = net
  const constant = (x: string | number) => (typeof x === 'number' ? g.ints(x) : x)
  const binary = (op: string) => (a: string, b: string | number) => g.op(op, [a, constant(b)])
  const [add, sub, mul, div, mod, less] = ['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Less'].map(binary)
  const column = (x: string) => g.op('Unsqueeze', [x, g.ints([1])]) // (N) → (N, 1)
  const scalar = (x: string) => g.op('Squeeze', [x])
  const upTo = (end: string) => g.op('Range', [g.ints(0), end, g.ints(1)])
  const area = side * side

  const [down, across] = [1, 2].map(axis => div(g.op('Gather', [grid, g.ints(axis)], { axis: 1 }), merge)) // blocks: (N)
  const [windowsDown, windowsAcross] = [down, across].map(blocks => div(add(blocks, side - 1), side)) // (N)
  const blocks = mul(down, across) // (N)
  const ends = g.op('CumSum', [blocks, g.ints(0)])
  const starts = sub(ends, blocks)
  const most = g.op('ReduceMax', [mul(windowsDown, windowsAcross), g.ints([0])], { keepdims: 0 })
  const length = mul(most, area) // blocks in a row of slots

  const place = upTo(length)
  const [window, within] = [div(place, area), mod(place, area)]
  const row = add(mul(div(window, column(windowsAcross)), side), div(within, side)) // of blocks: (N, length)
  const col = add(mul(mod(window, column(windowsAcross)), side), mod(within, side))
  const real = g.op('And', [less(row, column(down)), less(col, column(across))])
  const block = g.op('Where', [real, add(add(mul(row, column(across)), col), column(starts)), g.ints(0)])

  // From blocks (N, length) to their patches (N, length · merge²).
  const inside = Array.from({ length: merge * merge }, (_, i) => i)
  const [insideRows, insideColumns] = [inside.map(i => Math.floor(i / merge)), inside.map(i => i % merge)]
  const deep = (x: string) => g.op('Unsqueeze', [x, g.ints([2])])
  const split = (x: string, factor: number, offsets: number[]) =>
    net.reshape(add(mul(deep(x), factor), g.ints(offsets)), [0, -1])
  const masked = g.op('Expand', [deep(g.op('Where', [real, g.scalar(0), g.scalar(-1e9)])), g.ints([1, 1, merge * merge])]) // biome-ignore format: one thought

  const feature = upTo(div(scalar(count), merge * merge)) // (features)
  const past = g.op('GreaterOrEqual', [column(feature), ends]) // (features, N)
  const owner = g.op('ReduceSum', [g.op('Cast', [past], { to: 7 }), g.ints([1])], { keepdims: 0 })
  const its = (x: string) => g.op('Gather', [x, owner])
  const nth = sub(feature, its(starts))
  const [y, x] = [div(nth, its(across)), mod(nth, its(across))]
  const corner = mul(add(mul(div(y, side), its(windowsAcross)), div(x, side)), area)
  return {
    patches: split(block, merge * merge, inside),
    rows: split(row, merge, insideRows),
    columns: split(col, merge, insideColumns),
    bias: net.reshape(masked, [0, -1]),
    features: add(mul(owner, length), add(corner, add(mul(mod(y, side), side), mod(x, side)))),
  }
}
