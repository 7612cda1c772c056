/** A generator for a model folder or a server, by the engine that is asked for. Nothing heavy is imported until then. */

import { UserError } from '../errors.ts'
import type { Device } from '../graph/session.ts'
import type { ServerOptions } from './openai/server.ts'
import type { Generator, Sampling } from './types.ts'

export type { Failure, Generated, Generator, Message, Request, Sampling } from './types.ts'

export interface GeneratorOptions {
  /** A model folder or a Hub id; with `server`, the name that it knows. */
  model: string
  /** An OpenAI-compatible server that has the model, in place of an engine of our own. */
  server?: ServerOptions
  /** Ask the server for log-probabilities; our own engine always tells them. */
  logprobs?: boolean
  /** A PEFT adapter on top of the model. */
  adapter?: string
  /** Which of the Hub's variants of its graphs: fp16, q4, … */
  dtype?: string
  /** `onnx`: our burst graphs. `transformers`: transformers.js' own generate, one row at a time: the reference. */
  engine?: 'onnx' | 'transformers'
  device?: Device
  /** Rows at once. */
  batchSize?: number
  sampling: Sampling
  /** Say nothing on stderr. */
  quiet?: boolean
  /** At the end, tell on stderr where the time went. */
  profile?: boolean
  /** Threads inside an operator (CPU); 0 lets ONNX Runtime decide. */
  threads?: number
}

/** Opens the model. Throws a UserError where it cannot be had, or not on the device. */
export async function createGenerator(options: GeneratorOptions): Promise<Generator> {
  check(options.sampling)
  const { server } = options
  if (server) return (await import('./openai/generator.ts')).openaiGenerator({ ...options, server })
  if (options.adapter && options.engine === 'transformers')
    throw new UserError(
      '--adapter: transformers.js has no adapters. Leave --engine out, or pass a merged model folder as --model',
      2,
    )
  if (options.profile && options.engine === 'transformers')
    throw new UserError('--profile: the graphs of transformers.js cannot be looked into. Leave --engine out', 2)
  if (options.quiet) (await import('../graph/session.ts')).silenceDevice()
  if (options.engine === 'transformers') return (await import('./transformers.ts')).transformersGenerator(options)
  return (await import('./onnx.ts')).onnxGenerator(options)
}

function check({ temperature, topP, maxTokens }: Sampling): void {
  const wrong = (flag: string, expected: string, value: number) =>
    new UserError(`--${flag}: expected ${expected}, got ${value}`, 2)
  if (!(temperature >= 0)) throw wrong('temperature', 'a number of 0 (greedy) or more', temperature)
  if (!(topP > 0 && topP <= 1)) throw wrong('top-p', 'a number above 0, up to 1', topP)
  if (!(Number.isInteger(maxTokens) && maxTokens > 0)) throw wrong('max-tokens', 'a whole number above 0', maxTokens)
}
