/**
 * What a sampler takes and gives, whichever engine runs it. Stages know this file and no tensor.
 */

/** One turn of a chat. `images` counts how many of the request's images stand before the text of this turn. */
export interface Message {
  role: 'system' | 'user' | 'assistant'
  text: string
  images?: number
}

export interface Request {
  messages: Message[]
  /** Encoded pictures (PNG, JPEG, …), in the order in which the messages use them. */
  images: Uint8Array[]
  /** Names the draws of this request (row id, caption index, …): the same keys and seed give the same uniforms. */
  keys: (string | number)[]
}

export interface Sampling {
  seed: number
  /** 0 is greedy. */
  temperature: number
  topP: number
  /** New tokens at most. */
  maxTokens: number
}

export interface Generated {
  text: string
  /** New tokens, the stop token included. */
  tokens: number
  finish: 'stop' | 'length'
  /** Sum of log-probabilities (natural log, at temperature 1, before top-p) of the new tokens; NaN where the engine does not tell. */
  logprob: number
}

/** A request that could not be answered (a picture that does not decode, a prompt that is too long). */
export interface Failure {
  error: { code: string; message: string; retryable: boolean }
}

export interface Generator {
  /** Requests that make up one window: batches never span windows, so a run can be taken up at any window's start. */
  readonly window: number
  /** Windows of one row that may be under way at once, where the generator deals out the work itself and waits for others. */
  readonly ahead?: number
  /** Answers in the order of `requests` (one window at most). Stopping the iteration stops the work. */
  generate(requests: Request[]): AsyncGenerator<Generated | Failure>
  close(): Promise<void>
}
