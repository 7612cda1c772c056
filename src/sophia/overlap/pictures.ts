/**
 * Which of a benchmark's pictures a picture is. All hashes within 10 of 64 bits are found without looking at the
 * others: cut into four bands of 16 bits, two hashes that differ in at most 11 bits differ in at most 2 within some band
 * (the pigeonhole principle; multi-index hashing, Norouzi, Punjani and Fleet 2012), so 137 buckets a band are opened.
 */
import { apart } from './colours.ts'
import { distance } from './hash.ts'
import type { View } from './picture.ts'

/** What may differ: bits of 64, bits of 256, and an area's colour of 255. Chosen by measurement (test/LOG.md). */
export const near = { coarse: 10, fine: 48, colour: 96 }
/** How far apart the proportions may be. */
const stretch = 1.08

/** Every 16-bit word with at most two bits set. */
const masks = [0]
for (let i = 0; i < 16; i++) {
  masks.push(1 << i)
  for (let j = 0; j < i; j++) masks.push((1 << i) | (1 << j))
}

export class Pictures {
  private readonly bands: Map<number, number[]>[] = Array.from({ length: 4 }, () => new Map())
  private readonly views: View[] = []
  private readonly items: number[] = []

  /** One picture of question `item`. */
  add(views: View[], item: number): void {
    for (const view of views) {
      const at = this.views.push(view) - 1
      this.items.push(item)
      for (const [b, band] of this.bands.entries()) {
        const key = bandOf(view.coarse, b)
        const bucket = band.get(key)
        if (bucket) bucket.push(at)
        else band.set(key, [at])
      }
    }
  }

  /** The questions that have this picture, each with the share of the 256 bits that agree (0.81 … 1). */
  find(views: View[]): Map<number, number> {
    const found = new Map<number, number>()
    for (const view of views)
      for (const at of this.within(view.coarse)) {
        const other = this.views[at]
        const bits = distance(view.fine, other.fine)
        const proportion = view.aspect / other.aspect
        if (bits > near.fine || proportion > stretch || proportion < 1 / stretch) continue
        if (apart(view.colours, other.colours) > near.colour) continue
        const item = this.items[at]
        found.set(item, Math.max(found.get(item) ?? 0, 1 - bits / 256))
      }
    return found
  }

  /** The numbers of the views whose coarse hash is within `near.coarse` bits, in no order. */
  within(coarse: Uint32Array): Set<number> {
    const found = new Set<number>()
    for (const [b, band] of this.bands.entries()) {
      const key = bandOf(coarse, b)
      for (const mask of masks)
        for (const at of band.get(key ^ mask) ?? [])
          if (!found.has(at) && distance(coarse, this.views[at].coarse) <= near.coarse) found.add(at)
    }
    return found
  }
}

/** The `band`-th 16 of the 64 bits. */
const bandOf = (coarse: Uint32Array, band: number) => (coarse[band >> 1] >>> (band & 1 ? 0 : 16)) & 0xffff
