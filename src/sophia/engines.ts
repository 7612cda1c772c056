/**
 * Flags to what answers: an engine of our own or a server, LLMs in the graders' seats, and how many rows each takes at
 * once. What is asked of them is the stages' affair.
 */
import type { ServerOptions } from '../generate/openai/server.ts'
import type { Generator, Sampling } from '../generate/types.ts'
import type { Stage } from '../io/stage.ts'
import type { Grading } from './grade.ts'

/** The flags that caption and reason share. */
export interface ModelFlags extends ServerFlags {
  model: string
  adapter?: string
  dtype?: string
  profile?: boolean
  engine: 'onnx' | 'transformers'
  device: 'auto' | 'cpu' | 'cuda' | 'webgpu'
  temperature: number
  'top-p': number
  'max-tokens': number
  'batch-size': number
  seed: number
  prompt?: string
  quiet: boolean
  /** Ask a server for the model's answers. */
  'base-url'?: string
  'api-key-env'?: string
  'extra-body'?: Record<string, unknown>
}

/** How servers are asked, whatever they are asked for. */
export interface ServerFlags {
  concurrency: number
  tries: number
  backoff: number
  timeout: number
  'time-limit': number
  quiet: boolean
}

/** LLMs in the graders' seats. */
export interface SeatFlags extends ServerFlags {
  'extract-url'?: string
  'extract-model'?: string
  'extract-key-env'?: string
  'judge-url'?: string
  'judge-model'?: string
  'judge-key-env'?: string
}

export async function generatorOf(flags: ModelFlags, { logprobs = false } = {}): Promise<Generator> {
  const { createGenerator } = await import('../generate/index.ts')
  const sampling: Sampling = {
    seed: flags.seed,
    temperature: flags.temperature,
    topP: flags['top-p'],
    maxTokens: flags['max-tokens'],
  }
  const { model, adapter, dtype, engine, device, quiet, profile, 'base-url': url } = flags
  const asked = url === undefined ? undefined : serverOf(url, flags['api-key-env'], flags)
  const server = asked && { ...asked, extra: flags['extra-body'] }
  const batchSize = flags['batch-size']
  const own = { model, adapter, dtype, engine, device, batchSize, profile }
  return createGenerator({ ...own, sampling, quiet, server, logprobs })
}

function serverOf(url: string, keyEnv: string | undefined, flags: ServerFlags): ServerOptions {
  const { concurrency, tries, backoff, timeout, 'time-limit': timeLimit } = flags
  const note = flags.quiet ? undefined : (text: string) => void process.stderr.write(`${text}\n`)
  return { url, keyEnv, concurrency, tries, backoff, timeout, timeLimit, note }
}

type Seats = Pick<Grading, 'extractor' | 'juror'>

export async function seatsOf(flags: SeatFlags): Promise<Seats> {
  const seat = async (which: 'extract' | 'judge') => {
    const url = flags[`${which}-url`]
    const model = flags[`${which}-model`]
    if (url === undefined || model === undefined) return undefined
    const { createGenerator } = await import('../generate/index.ts')
    const { sampling, Seat } = await import('./seat.ts')
    return new Seat(
      await createGenerator({ model, sampling, server: serverOf(url, flags[`${which}-key-env`], flags) }),
      model,
    )
  }
  return { extractor: await seat('extract'), juror: await seat('judge') }
}

export async function closeSeats({ extractor, juror }: Seats): Promise<void> {
  await Promise.all([extractor?.close(), juror?.close()])
}

/** Whatever rows have come; single rows, several at once, where an LLM grades them. */
export async function windowsBeside(grading: Grading): Promise<Pick<Stage, 'window' | 'ahead'>> {
  const { aheadOf } = await import('./grade.ts')
  const ahead = aheadOf(grading)
  return ahead === 1 ? { window: 'any' } : { window: 1, ahead }
}

/** Input rows whose samples fill one window of the generator; single rows, several at once, where it can do so. */
export function windowsOf(generator: Generator, samples: number): Pick<Stage, 'window' | 'ahead'> {
  const { window, ahead } = generator
  return ahead === undefined ? { window: Math.max(1, Math.floor(window / samples)) } : { window: 1, ahead }
}
