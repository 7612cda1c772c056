/**
 * Pictures for the page: made small, each distinct one once, however many problems show it. One that cannot be had or
 * decoded gives its reason in its place: a report is for looking into what went wrong too.
 */
import { createHash } from 'node:crypto'
import { type ImageOptions, imageReferences, loadImage } from '../../io/images.ts'
import type { Row } from '../rows.ts'

/** The longest side of an embedded picture, in pixels. */
const SIDE = 640
/** Up to this side nothing is to be gained by losing anything. */
const TINY = 128

export class Pictures {
  /** Why pictures are missing, one entry a picture. */
  readonly missing: string[] = []
  private readonly numbers = new Map<string, number>()

  /** @param embed is given each distinct picture once, as a data URI */
  constructor(
    private readonly options: ImageOptions,
    private readonly embed: (number: number, uri: string) => Promise<void>,
  ) {}

  get count(): number {
    return this.numbers.size
  }

  /** The numbers of a row's pictures; where one is missing, why. */
  async of(row: Row): Promise<(number | string)[]> {
    const found: (number | string)[] = []
    for (const reference of imageReferences(row)) found.push(await this.number(reference))
    return found
  }

  private async number(reference: unknown): Promise<number | string> {
    let uri: string
    let key: string
    try {
      const bytes = await loadImage(reference, this.options)
      key = createHash('sha256').update(bytes).digest('base64')
      const known = this.numbers.get(key)
      if (known !== undefined) return known
      uri = await shrink(bytes)
    } catch (error) {
      const { message } = error as Error
      this.missing.push(message)
      return message
    }
    const number = this.numbers.size
    this.numbers.set(key, number)
    await this.embed(number, uri)
    return number
  }
}

/** An encoded picture as a WebP data URI, upright, at most SIDE pixels long. @throws where it cannot be decoded */
export async function shrink(bytes: Uint8Array): Promise<string> {
  const { default: sharp } = await import('sharp')
  const picture = sharp(bytes).rotate()
  const { width, height } = await picture.metadata()
  const webp = await picture
    .resize(SIDE, SIDE, { fit: 'inside', withoutEnlargement: true })
    .webp(Math.max(width, height) <= TINY ? { lossless: true } : { quality: 80, effort: 2 })
    .toBuffer()
  return `data:image/webp;base64,${webp.toString('base64')}`
}
