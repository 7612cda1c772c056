/** Encoded pictures (PNG, JPEG, WebP, …) to transformers.js' images, or to their sizes alone. */

import type { RawImage } from '@huggingface/transformers'
import { UserError } from '../../errors.ts'
import { type Bytes, resampled } from './resample.ts'

/**
 * An image whose `resize`, which transformers.js' processors call, is Pillow's.
 *
 * @throws UserError where it is no picture
 */
export async function decodeImage(bytes: Uint8Array): Promise<RawImage> {
  const { RawImage: Image } = await import('@huggingface/transformers')
  class Picture extends Image {
    override async resize(width: number, height: number, options: { resample?: unknown } = {}): Promise<RawImage> {
      const made = resampled(this as Bytes, width, height, Number(options.resample ?? 2))
      if (!made) return super.resize(width, height, options as never)
      return new Picture(made.data, width, height, this.channels)
    }
  }
  const { data, width, height, channels } = await Image.fromBlob(new Blob([bytes as Uint8Array<ArrayBuffer>])).catch(
    refuse,
  )
  return new Picture(data, width, height, channels)
}

/** Width and height in pixels, from the header alone. @throws UserError where it is no picture */
export async function sizeOfImage(bytes: Uint8Array): Promise<{ width: number; height: number }> {
  const { default: sharp } = await import('sharp')
  const { width, height } = await sharp(bytes).metadata().catch(refuse)
  return { width, height }
}

function refuse(error: Error): never {
  throw new UserError(`picture: expected PNG, JPEG, WebP, … : ${error.message}`)
}
