/**
 * A chat server of our own that misbehaves on demand. What it says is a pure function of what it is asked, so that a
 * test can work out every row by itself, whatever happened on the way.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  model: string
  messages: { role: string; content: string | { type: string; text?: string; image_url?: { url: string } }[] }[]
  n?: number
  seed?: number
  stream?: boolean
  [key: string]: unknown
}

/** How one request is met; `well` answers it as it should be. */
export type Mood = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void

export interface Hostile {
  url: string
  /** Every request, in the order of arrival, with the time. */
  asked: (Asked & { at: number })[]
  headers: IncomingMessage['headers'][]
  /** Requests under way now, and at most. */
  open: number
  most: number
  close(): Promise<void>
}

/** @param mood of the i-th request (from 0) */
export async function hostile(mood: (i: number, asked: Asked) => Mood): Promise<Hostile> {
  const made: Hostile = { url: '', asked: [], headers: [], open: 0, most: 0, close: async () => {} }
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', chunk => {
      text += chunk
    })
    request.on('end', () => {
      made.open++
      made.most = Math.max(made.most, made.open)
      response.on('close', () => {
        made.open--
      })
      response.on('error', () => {})
      const asked = JSON.parse(text) as Asked
      made.headers.push(request.headers)
      made.asked.push({ ...asked, at: performance.now() })
      mood(made.asked.length - 1, asked)(asked, response, request)
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  made.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  made.close = () =>
    new Promise(done => {
      server.closeAllConnections()
      server.close(() => done())
    })
  return made
}

/** The text of everything that was asked. */
export const promptOf = ({ messages }: Pick<Asked, 'messages'>) =>
  messages
    .map(({ content }) => (typeof content === 'string' ? content : content.map(part => part.text ?? '').join('')))
    .join('\n')

/** What choice `i` says. */
export function says(asked: Pick<Asked, 'messages' | 'seed'>, i: number): string {
  const hash = createHash('sha256')
    .update(`${promptOf(asked)}|${asked.seed}|${i}`)
    .digest('hex')
  return `word ${hash.slice(0, 8)} and \\boxed{${Number.parseInt(hash.slice(0, 2), 16) % 10}}`
}

const piece = (i: number, content: string, finish: string | null = null) => ({
  choices: [{ index: i, delta: { content }, finish_reason: finish }],
})
export const event = (object: unknown) => `data: ${JSON.stringify(object)}\n\n`

/** The events of a whole stream: choices mixed, five characters a piece. */
export function events(asked: Asked, texts = Array.from({ length: asked.n ?? 1 }, (_, i) => says(asked, i))): string[] {
  const list: string[] = []
  const longest = Math.max(...texts.map(text => text.length))
  for (let at = 0; at < longest; at += 5)
    for (let i = texts.length - 1; i >= 0; i--)
      if (at < texts[i].length) list.push(event(piece(i, texts[i].slice(at, at + 5))))
  texts.forEach((_, i) => {
    list.push(event(piece(i, '', 'stop')))
  })
  const tokens = texts.reduce((sum, text) => sum + Math.ceil(text.length / 5), 0)
  list.push(event({ choices: [], usage: { completion_tokens: tokens } }))
  return [...list, 'data: [DONE]\n\n']
}

const head = { 'content-type': 'text/event-stream' }

export const well: Mood = (asked, response) => {
  response.writeHead(200, head).end(events(asked).join(''))
}

/** No stream: one object, its choices from the last to the first. */
export const whole: Mood = (asked, response) => {
  const choices = Array.from({ length: asked.n ?? 1 }, (_, index) => ({
    index,
    message: { role: 'assistant', content: says(asked, index) },
    finish_reason: 'stop',
  }))
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ choices: choices.reverse(), usage: { completion_tokens: 7 * choices.length } }))
}

export const status =
  (code: number, message = 'no', headers: Record<string, string> = {}): Mood =>
  (_, response) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ error: { message, type: 'x', param: null, code: null } }))
  }

export const page: Mood = (_, response) => {
  response.writeHead(502, { 'content-type': 'text/html' })
  response.end('<html><head><style>b {}</style></head><body><h1>Bad  gateway</h1></body></html>')
}

/** Never a byte. */
export const hung: Mood = () => {}

/** A stream that stays open in the middle, without a byte more. */
export const stuck: Mood = (asked, response) => {
  response.writeHead(200, head).write(events(asked).slice(0, 3).join(''))
}

/** A stream that ends in the middle: politely, or with the connection. */
export const cut =
  (rude: boolean): Mood =>
  (asked, response) => {
    response.writeHead(200, head).write(events(asked).slice(0, 3).join(''))
    setTimeout(() => (rude ? response.destroy() : response.end()), 5)
  }

/** One object, half of it. */
export const half: Mood = (asked, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ choices: [{ index: 0, message: { content: says(asked, 0) } }] }).slice(0, -20))
}

/** Fewer choices than were asked for. */
export const few =
  (count: number): Mood =>
  (asked, response) => {
    const texts = Array.from({ length: Math.min(count, asked.n ?? 1) }, (_, i) => says(asked, i))
    response.writeHead(200, head).end(events(asked, texts).join(''))
  }

/** All of it, a few bytes at a time, cut wherever it falls, in the middle of characters too. */
export const drip =
  (ms: number, size = 97): Mood =>
  (asked, response) => {
    const bytes = Buffer.from(events(asked).join(''))
    response.writeHead(200, head)
    let at = 0
    const timer = setInterval(() => {
      response.write(bytes.subarray(at, at + size))
      at += size
      if (at >= bytes.length) {
        clearInterval(timer)
        response.end()
      }
    }, ms)
    response.on('close', () => clearInterval(timer))
  }

/** Says back what it was sent, the key among it. */
export const echo =
  (code: number): Mood =>
  (asked, response, request) => {
    const key = String(request.headers.authorization)
    if (code !== 200) return status(code, `I do not like ${key}`)(asked, response, request)
    response.writeHead(200, head).end(events(asked, [`You said ${key}.`]).join(''))
  }
