/**
 * One POST by Node's own http: where fetch gives up after five minutes without a byte, a long thought behind a queue
 * must be waited for as long as the user says, and no longer. Redirections are not followed: a key is not to wander.
 */
import { type IncomingHttpHeaders, type IncomingMessage, Agent as PlainAgent, request as plain } from 'node:http'
import { Agent as SecureAgent, request as secure } from 'node:https'
import { Fault } from './fault.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  /** The body as it comes. Ends with an error where it is cut. */
  text: AsyncIterable<string>
}

export interface Patience {
  /** Milliseconds without a byte. */
  silence: number
  /** Milliseconds for the whole reply. */
  whole: number
}

export type Agent = PlainAgent | SecureAgent

/** Connections that are kept for the next request; destroy() closes them. */
export const agentFor = (url: URL): Agent =>
  url.protocol === 'https:' ? new SecureAgent({ keepAlive: true }) : new PlainAgent({ keepAlive: true })

/** @throws Fault, or what Node says about the connection */
export function post(
  url: URL,
  {
    headers,
    body,
    agent,
    patience,
    signal,
  }: {
    headers: Record<string, string>
    body: string
    agent: Agent
    patience: Patience
    signal: AbortSignal
  },
): Promise<Reply> {
  return new Promise((done, failed) => {
    signal.throwIfAborted()
    let response: IncomingMessage | undefined
    const length = Buffer.byteLength(body)
    const asked = (url.protocol === 'https:' ? secure : plain)(url, {
      method: 'POST',
      agent,
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': length,
        accept: 'text/event-stream, application/json',
      },
    })
    const end = (error: Error) => (response ?? asked).destroy(error)
    const late = (what: string, ms: number) => () => end(new Fault('timeout', `${what} in ${ms / 1000} s`, 'alone'))
    const silent = setTimeout(late('not a byte', patience.silence), patience.silence)
    const limit = setTimeout(late('no whole answer', patience.whole), patience.whole)
    const abort = () => end(signal.reason as Error)
    signal.addEventListener('abort', abort)
    const settle = () => {
      clearTimeout(silent)
      clearTimeout(limit)
      signal.removeEventListener('abort', abort)
    }
    asked.on('error', error => {
      settle()
      failed(error)
    })
    asked.on('response', came => {
      response = came.setEncoding('utf8')
      silent.refresh()
      response.on('close', settle)
      response.on('error', () => {}) // told to whoever reads it
      done({ status: came.statusCode ?? 0, headers: came.headers, text: read(response, silent) })
    })
    asked.end(body)
  })
}

/** Milliseconds that a reply may go on after all that is needed of it was read; then its connection is not kept. */
const TAIL = 1000

async function* read(response: IncomingMessage, silent: NodeJS.Timeout): AsyncGenerator<string> {
  try {
    for await (const chunk of response.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
      silent.refresh()
      yield chunk
    }
  } finally {
    if (!response.destroyed) {
      const timer = setTimeout(() => response.destroy(), TAIL)
      response.once('close', () => clearTimeout(timer)).resume()
    }
  }
}
