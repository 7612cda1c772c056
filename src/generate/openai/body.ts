/**
 * What a server is asked, in its own words. Servers know different parameters: what one refuses is left out from then
 * on, as long as that does not change what is drawn.
 */
import { uniform } from '../../random.ts'
import type { Message, Request, Sampling } from '../types.ts'
import { Fault, isRefusal } from './fault.ts'

export type Body = Record<string, unknown>

export interface Ask {
  messages: Message[]
  images: Uint8Array[]
  /** Names the draw. */
  keys: Request['keys']
  /** Choices. */
  n: number
  /** A part of this prompt was asked for before: it goes first. */
  again?: boolean
}

/** What this server has been found not to know. */
export class Dialect {
  private readonly unknown = new Set<string>()
  /** Several choices a request. */
  many = true

  constructor(
    private readonly model: string,
    private readonly sampling: Sampling,
    private readonly logprobs: boolean,
    /** Further parameters, as the user gives them; they go before ours. */
    private readonly extra: Body,
  ) {}

  /** @throws Fault where a picture is nothing that a server could read, or several choices are not to be had */
  body({ messages, images, keys, n }: Ask): Body {
    if (n > 1 && !this.many) throw new Fault('many', 'this server gives one choice a request', 'no', 400)
    const { seed, temperature, topP, maxTokens } = this.sampling
    const length = this.unknown.has('max_tokens') ? 'max_completion_tokens' : 'max_tokens'
    const body: Body = {
      model: this.model,
      messages: contents(messages, images),
      temperature,
      top_p: topP,
      [length]: maxTokens,
      seed: Math.floor(uniform(seed, ...keys) * 2 ** 31),
      stream: true,
      stream_options: { include_usage: true },
    }
    if (n > 1) body.n = n
    if (this.logprobs) body.logprobs = true
    for (const name of this.unknown) delete body[name]
    Object.assign(body, this.extra)
    if (body.stream !== true) delete body.stream_options
    return body
  }

  /** Whether a request that was refused may do without what it was refused for. Remembers it if so. */
  learn(fault: Fault, body: Body): boolean {
    if (!isRefusal(fault)) return false
    const { message, parameter } = fault
    const names = (name: string) =>
      parameter === undefined ? new RegExp(`\\b${name}\\b`).test(message) : parameter.split('.')[0] === name
    const name = this.spare().find(spare => spare in body && !(spare in this.extra) && names(spare))
    if (name !== undefined) {
      this.unknown.add(name)
      return true
    }
    if (!('max_tokens' in body) || 'max_tokens' in this.extra || !/\bmax_completion_tokens\b/.test(message))
      return false
    this.unknown.add('max_tokens')
    return true
  }

  /** Parameters that the draw does not hang on, or that have the value which is meant where they are missing. */
  private spare(): string[] {
    const { temperature, topP } = this.sampling
    return [
      'seed',
      'logprobs',
      'stream_options',
      'stream',
      ...(temperature === 1 ? ['temperature'] : []),
      ...(topP === 1 ? ['top_p'] : []),
    ]
  }
}

function contents(messages: Message[], images: Uint8Array[]) {
  const left = [...images]
  return messages.map(({ role, text, images: count = 0 }) => {
    if (count === 0) return { role, content: text }
    const pictures = left.splice(0, count).map(bytes => ({ type: 'image_url', image_url: { url: dataUri(bytes) } }))
    return { role, content: [...pictures, { type: 'text', text }] }
  })
}

function dataUri(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return `data:${mediaType(buffer)};base64,${buffer.toString('base64')}`
}

const STARTS: [start: string, type: string][] = [
  ['\x89PNG', 'image/png'],
  ['\xff\xd8\xff', 'image/jpeg'],
  ['GIF8', 'image/gif'],
  ['BM', 'image/bmp'],
  ['II*\0', 'image/tiff'],
  ['MM\0*', 'image/tiff'],
]

/** By the first bytes: whoever named the file may have been wrong. @throws Fault */
export function mediaType(bytes: Buffer): string {
  const head = bytes.toString('latin1', 0, 12)
  const type = STARTS.find(([start]) => head.startsWith(start))?.[1]
  if (type !== undefined) return type
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'image/webp'
  if (/^ftyp(avif|avis)/.test(head.slice(4))) return 'image/avif'
  if (/^ftyp(hei|mif1)/.test(head.slice(4))) return 'image/heic'
  throw new Fault('image', 'expected PNG, JPEG, GIF, WebP, BMP, TIFF, AVIF or HEIC, got other bytes', 'no', 400)
}
