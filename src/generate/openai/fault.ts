/** What goes wrong between a server and us, and what is to be done about it. Told in the server's words where it has some. */
import type { IncomingHttpHeaders } from 'node:http'

/** `no`: it would fail again. `alone`: this request, after a pause. `all`: the server is overrun, everybody waits. */
export type Again = 'no' | 'alone' | 'all'

export class Fault extends Error {
  override name = 'Fault'

  constructor(
    /** As `error.code` in a row. */
    readonly code: string,
    message: string,
    readonly again: Again,
    /** HTTP status, where it came to that. */
    readonly status?: number,
    /** Milliseconds that the server wants to be left alone for. */
    readonly wait?: number,
    /** The parameter that the server names as wrong. */
    readonly parameter?: string,
  ) {
    super(message)
  }

  /** The row itself is not at fault. */
  get retryable(): boolean {
    return !isRefusal(this) && this.status !== 413 && this.code !== 'filtered'
  }
}

/** The server understood the request, and will not have it. */
export const isRefusal = ({ status }: Fault) => status === 400 || status === 422

/** Longest wait that a server is granted, in milliseconds. */
const LONGEST = 10 * 60_000
const OVERRUN = [429, 503, 529]
const PASSING = [408, 409, 425]

/** The fault that a reply of `status` tells; `text` is its body. */
export function faultOf(status: number, text: string, headers: IncomingHttpHeaders = {}): Fault {
  const { message, parameter, code } = wordsOf(text)
  const told = `status ${status}${message === '' ? '' : `: ${message}`}`
  // Asking again does not fill an empty account.
  if (code === 'insufficient_quota' || status === 402) return new Fault('quota', told, 'no', 402)
  if (OVERRUN.includes(status)) return new Fault('busy', told, 'all', status, waitOf(headers))
  if (status >= 500 || PASSING.includes(status)) return new Fault('server', told, 'alone', status, waitOf(headers))
  if (status < 400) return new Fault('moved', told, 'no', status)
  if (status === 401 || status === 403) return new Fault('key', told, 'no', status)
  if (status === 404) return new Fault('not-found', told, 'no', status)
  return new Fault('refused', told, 'no', status, undefined, parameter)
}

/** An `error` object that came in place of an answer, or in the middle of one. */
export function faultIn(error: unknown): Fault {
  const { code, status, status_code } = (error ?? {}) as Record<string, unknown>
  const number = [status, status_code, code].map(Number).find(x => Number.isInteger(x) && x >= 400 && x < 600)
  return faultOf(number ?? 500, JSON.stringify({ error }))
}

/** A connection that failed, in the middle of a reply or before it. */
export function faultFrom(error: unknown): Fault {
  if (error instanceof Fault) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const inner = (error as { errors?: Error[] }).errors?.[0]?.message // of a host with several addresses
  return new Fault('connection', `the connection failed (${shorten(message || inner || code)})`, 'alone')
}

/** What the server says is wrong: JSON as OpenAI writes it and its likes, or a page for people. */
function wordsOf(text: string): { message: string; parameter?: string; code?: string } {
  let held: unknown
  try {
    held = JSON.parse(text)
  } catch {
    return { message: shorten(text.replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')) }
  }
  const outer = (Array.isArray(held) ? held[0] : held) as Record<string, unknown> | null
  const error = outer?.error ?? outer?.detail ?? outer
  if (typeof error === 'string') return { message: shorten(error) }
  const { message = outer?.message, param, code } = (error ?? {}) as Record<string, unknown>
  return {
    message: shorten(typeof message === 'string' ? message : JSON.stringify(error ?? text)),
    parameter: typeof param === 'string' ? param : undefined,
    code: typeof code === 'string' ? code : undefined,
  }
}

/** Retry-After in seconds or as a date; milliseconds where some servers say them. */
function waitOf(headers: IncomingHttpHeaders): number | undefined {
  const exact = Number(headers['retry-after-ms'] ?? Number.NaN)
  const after = headers['retry-after']
  const wait = Number.isFinite(exact) ? exact : after === undefined ? Number.NaN : secondsOf(after) * 1000
  return Number.isFinite(wait) ? Math.min(LONGEST, Math.max(0, wait)) : undefined
}

function secondsOf(after: string): number {
  const seconds = Number(after)
  return Number.isFinite(seconds) ? seconds : (Date.parse(after) - Date.now()) / 1000
}

const shorten = (text: string) => {
  const plain = text.replace(/\s+/g, ' ').trim()
  return plain.length > 300 ? `${plain.slice(0, 300)}…` : plain
}
