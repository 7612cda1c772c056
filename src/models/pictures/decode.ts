/** Encoded pictures (PNG, JPEG, WebP, …) to transformers.js' images. */

import type { RawImage } from '@huggingface/transformers'
import { UserError } from '../../errors.ts'

/** @throws UserError where it is no picture */
export async function decodeImage(bytes: Uint8Array): Promise<RawImage> {
  const { RawImage } = await import('@huggingface/transformers')
  try {
    return await RawImage.fromBlob(new Blob([bytes as Uint8Array<ArrayBuffer>]))
  } catch (error) {
    throw new UserError(`picture: expected PNG, JPEG, WebP, … : ${(error as Error).message}`)
  }
}
