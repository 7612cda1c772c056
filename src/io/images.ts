/**
 * The pictures of a row as encoded bytes (PNG, JPEG, …). A reference is a path, a `data:` URI, `{bytes, path}` as
 * Hugging Face writes it, or, where the user allows it, a URL. Decoding pixels is the model's affair.
 */
import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { UserError } from '../errors.ts'
import type { Row } from './row.ts'

export interface ImageOptions {
  /** The folder that paths start from: the input file's, or --images. */
  folder: string
  /** Fetch http(s) references. */
  allowRemote?: boolean
}

/** The row's references, from `images` or the Hub's single `image`; none gives an empty list. */
export function imageReferences(row: Row): unknown[] {
  const held = row.images ?? row.image
  if (held === undefined || held === null) return []
  return Array.isArray(held) ? held : [held]
}

/** What stands for a picture in texts written as LLaVA's are (MathV360K's questions, say). Here pictures stand before the text. */
export const IMAGE_MARK = /<image>\n?/g

/** How the problem is seen: what it says itself, or by the number of its pictures. */
export function modalityOf(row: Row): string {
  if (typeof row.modality === 'string' && row.modality !== '') return row.modality
  const count = imageReferences(row).length
  return count === 0 ? 'text only' : count === 1 ? 'one picture' : 'several pictures'
}

/** The row's pictures in their order. @throws UserError where one cannot be had. */
export function loadImages(row: Row, options: ImageOptions): Promise<Uint8Array[]> {
  return Promise.all(imageReferences(row).map(reference => loadImage(reference, options)))
}

/** @throws UserError saying what was expected and what came. */
export async function loadImage(reference: unknown, options: ImageOptions): Promise<Uint8Array> {
  if (reference instanceof Uint8Array) return reference
  if (typeof reference === 'string') return fromText(reference, options)
  if (typeof reference === 'object' && reference !== null) {
    const { bytes, path } = reference as { bytes?: unknown; path?: unknown }
    if (bytes instanceof Uint8Array) return bytes
    if (typeof bytes === 'string') return fromBase64(bytes)
    const base64 = (bytes as { $base64?: unknown } | null | undefined)?.$base64
    if (typeof base64 === 'string') return fromBase64(base64)
    if (typeof path === 'string') return fromText(path, options)
  }
  throw new UserError(
    `image: expected a path, a data: URI or {bytes, path}, got ${String(JSON.stringify(reference)).slice(0, 60)}`,
  )
}

async function fromText(text: string, { folder, allowRemote }: ImageOptions): Promise<Uint8Array> {
  if (text.startsWith('data:')) {
    const comma = text.indexOf(',')
    if (comma < 0) throw new UserError(`image: expected data:…,…, got ${text.slice(0, 60)}`)
    const body = text.slice(comma + 1)
    return /;base64$/i.test(text.slice(0, comma)) ? fromBase64(body) : Buffer.from(decodeURIComponent(body), 'latin1')
  }
  if (/^https?:\/\//i.test(text)) return fetched(text, allowRemote)
  const path = isAbsolute(text) ? text : join(folder, text)
  try {
    return await readFile(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new UserError(
      code === 'ENOENT'
        ? `image: no file ${path}. Paths start from the input file's folder; --images DIR starts them elsewhere`
        : `image: cannot read ${path}: ${message}`,
    )
  }
}

async function fetched(url: string, allowed = false): Promise<Uint8Array> {
  if (!allowed) throw new UserError(`image: ${url} is elsewhere: allow fetching with --allow-remote`)
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000) }).catch((error: Error) => {
    throw new UserError(`image: cannot fetch ${url}: ${error.message}`)
  })
  if (!response.ok) throw new UserError(`image: cannot fetch ${url}: status ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0) throw new UserError('image: expected base64, got an empty or unreadable text')
  return bytes
}
