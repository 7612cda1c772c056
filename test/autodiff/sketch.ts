/** Gradients held to sketches of them, which are smaller than they are. */

/** What a golden holds of a gradient in place of its numbers (fixtures/golden/make_fixtures.py). */
export interface Sketch {
  norm: number
  products: number[]
}

/**
 * ‖a − b‖ / ‖b‖ from a sketch of b: for random signs r, E[(r·(a − b))²] = ‖a − b‖² (Alon, Matias & Szegedy 1996), here the mean of
 * 32 of them, whose standard error is an eighth.
 */
export function sketchedError(data: ArrayLike<number>, { norm, products }: Sketch): number {
  const squares = products.map((product, k) => {
    const seed = Math.imul(k, 0x9e3779b9)
    let sum = 0
    for (let i = 0; i < data.length; i++) {
      let h = Math.imul(i ^ seed, 0x85ebca6b)
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
      sum += h < 0 ? -data[i] : data[i]
    }
    return (sum - product) ** 2
  })
  return Math.sqrt(squares.reduce((x, y) => x + y) / squares.length) / Math.max(norm, 1e-2)
}
