/**
 * A server that speaks OpenAI's chat completions: one question in, one completion out, however often it takes. What
 * cannot be mended by asking again is a Fault; what is wrong with every request ends the run as a UserError.
 */
import { setMaxListeners } from 'node:events'
import { UserError } from '../../errors.ts'
import type { Ask, Body, Dialect } from './body.ts'
import { type Completion, completionOf } from './completion.ts'
import { objectsIn } from './events.ts'
import { Fault, faultFrom, faultOf } from './fault.ts'
import { type Agent, agentFor, type Patience, post } from './http.ts'
import { Key } from './key.ts'
import { Pace } from './pace.ts'

export interface ServerOptions {
  /** Up to and with its `/v1`. */
  url: string
  /** The environment variable that holds the API key; OPENAI_API_KEY where there is such a one. */
  keyEnv?: string
  /** Requests at once. */
  concurrency: number
  /** Times that a request is sent at most. */
  tries: number
  /** Seconds of the first pause before a request is sent again. */
  backoff: number
  /** Seconds without a byte after which a request is given up. */
  timeout: number
  /** Seconds after which it is given up whatever comes. */
  timeLimit: number
  /** Further parameters for each request. */
  extra?: Record<string, unknown>
  /** Is told, once for each kind of trouble, why requests are sent again. */
  note?: (text: string) => void
}

/** Characters of a reply that tells an error. */
const ERROR = 1 << 16

export class Server {
  /** Without what may be secret in it. */
  readonly name: string
  private readonly key: Key
  private readonly url: URL
  private readonly agent: Agent
  private readonly pace: Pace
  private readonly patience: Patience
  private readonly closing = new AbortController()
  /** It has answered something; it has answered a question. */
  private heard = false
  private answered = false
  private readonly noted = new Set<string>()

  /** @throws UserError where there is no such URL or key */
  constructor(
    private readonly options: ServerOptions,
    private readonly dialect: Dialect,
  ) {
    this.url = endpoint(options.url)
    this.name = `${this.url.origin}${this.url.pathname}`
    this.key = Key.fromEnvironment(options.keyEnv)
    this.agent = agentFor(this.url)
    this.pace = new Pace(options.concurrency, options.backoff * 1000)
    setMaxListeners(0, this.closing.signal)
    this.patience = { silence: options.timeout * 1000, whole: options.timeLimit * 1000 }
  }

  /**
   * The answer to `ask`, after as many tries as it takes.
   * @throws Fault, told without the key; UserError where no request can do; whatever `signal` or close() ended it with
   */
  async ask(ask: Ask, signal: AbortSignal): Promise<Completion> {
    const stop = new AbortController()
    const signals = [signal, this.closing.signal]
    const end = () => stop.abort(new Error('the work was stopped'))
    for (const other of signals) {
      if (other.aborted) end()
      other.addEventListener('abort', end)
    }
    try {
      return await this.insist(ask, stop.signal)
    } finally {
      for (const other of signals) other.removeEventListener('abort', end)
    }
  }

  close(): void {
    this.closing.abort()
    this.agent.destroy()
  }

  private async insist(ask: Ask, signal: AbortSignal): Promise<Completion> {
    for (let tries = 1; ; ) {
      let body: Body = {}
      // Not before its turn has come: pictures weigh, and by then more may be known about the server.
      const send = () => {
        body = this.dialect.body(ask)
        return this.once(JSON.stringify(body), signal)
      }
      try {
        return await this.pace.run(send, signal, ask.again || tries > 1)
      } catch (error) {
        if (signal.aborted || error instanceof UserError) throw error
        const fault = faultFrom(error)
        if (this.dialect.learn(fault, body)) continue
        if (fault.again === 'no' || tries >= this.options.tries) throw this.told(fault, tries)
        this.note(fault)
        if (fault.again === 'alone') await this.pace.rest(tries, signal, fault.wait)
        tries++
      }
    }
  }

  private note({ code, message }: Fault): void {
    if (this.noted.has(code)) return
    this.noted.add(code)
    this.options.note?.(this.key.redactCut(`${this.name}: ${message}. It is asked again, as often as --tries says`))
  }

  private async once(body: string, signal: AbortSignal): Promise<Completion> {
    const headers = this.key.headers()
    const { agent, patience } = this
    const reply = await post(this.url, { headers, body, agent, patience, signal })
    this.heard = true
    if (reply.status < 200 || reply.status >= 300) {
      let text = ''
      for await (const chunk of reply.text) {
        text += chunk
        if (text.length > ERROR) break
      }
      const { location } = reply.headers
      throw faultOf(reply.status, text || (location ? `it has moved to ${location}` : ''), reply.headers)
    }
    const completion = await completionOf(objectsIn(reply.text))
    this.answered = true
    for (const choice of completion.choices.values()) {
      choice.content = this.key.redact(choice.content)
      choice.reasoning = this.key.redact(choice.reasoning)
    }
    return completion
  }

  /** The fault as people are told it. @throws UserError where all requests would meet with it */
  private told({ code, message, again, status, wait }: Fault, tries: number): Fault {
    const often = tries > 1 ? ` (tried ${tries} times)` : ''
    if (code === 'image' || code === 'many') return new Fault(code, message, again, status) // it was not sent
    const text = this.key.redactCut(`${this.name}: ${message}${often}`)
    const advice = this.answered ? undefined : adviceFor(code, this.heard)
    if (advice) throw new UserError(`${text}. ${advice}`)
    return new Fault(code, text, again, status, wait)
  }
}

/** What to do about a first request that failed; nothing where the next one may do. */
function adviceFor(code: string, heard: boolean): string | undefined {
  if (code === 'key')
    return 'Put the API key for this server into the environment: OPENAI_API_KEY, or the variable that --api-key-env (--extract-key-env, --judge-key-env) names'
  if (code === 'moved') return 'Give the URL that it points to'
  if (code === 'not-found')
    return 'Check that the URL ends as the server wants it (mostly in /v1), and that it serves a model of this name'
  if (code === 'quota') return 'The account has nothing left to spend'
  return heard ? undefined : 'Check that the server is running and that the URL is its own'
}

/** @throws UserError */
function endpoint(base: string): URL {
  let url: URL
  try {
    url = new URL(base)
  } catch {
    throw new UserError("the server's address: expected a URL such as http://localhost:8000/v1, got something else", 2)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UserError(
      `the server's address: expected a URL such as http://localhost:8000/v1, got one that begins with ${url.protocol}`,
      2,
    )
  if (url.username !== '' || url.password !== '')
    throw new UserError(
      "the server's address: expected a URL without a user and password in it: keys come from the environment",
      2,
    )
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/chat\/completions$/, '')}/chat/completions`
  return url
}
