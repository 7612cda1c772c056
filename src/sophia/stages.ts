/** The stages as the runner takes them: flags in, a window's map out. The method is in the files beside. */
import type { Judge } from '../answers/verify.ts'
import type { Benchmark } from '../benchmarks/index.ts'
import type { ServerOptions } from '../generate/openai/server.ts'
import type { Generator, Sampling } from '../generate/types.ts'
import { loadImages } from '../io/images.ts'
import type { Source } from '../io/source.ts'
import type { Stage } from '../io/stage.ts'
import type { CaptionOptions } from './caption.ts'
import type { RescoreOptions } from './evaluate.ts'
import type { Grading } from './grade.ts'
import type { OverlapOptions } from './overlap/overlap.ts'
import type { PropagateOptions } from './propagate.ts'
import type { ReasonOptions } from './reason.ts'
import type { RewardOptions } from './reward.ts'
import { type Caption, type Credit, errorOf, type Row, type Trajectory, type Verdict } from './rows.ts'
import type { Response } from './score.ts'

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

export interface CaptionFlags extends ModelFlags {
  captions: number
  images?: string
  'allow-remote': boolean
}

export async function captionStage(flags: CaptionFlags, source: Pick<Source, 'folder'>): Promise<Stage> {
  const { caption, passesCaption } = await import('./caption.ts')
  const { checkCaptionPrompt } = await import('./prompts.ts')
  const prompt = checkCaptionPrompt(await promptOf('caption', flags))
  const generator = await generatorOf(flags, { logprobs: true })
  const where = { folder: flags.images ?? source.folder, allowRemote: flags['allow-remote'] }
  const options: CaptionOptions = { captions: flags.captions, prompt, images: row => loadImages(row, where) }
  return {
    name: 'caption',
    ...windowsOf(generator, options.captions),
    map: rows => caption(rows, generator, options),
    passes: passesCaption,
    last: row => (row.caption as Caption).index === options.captions - 1,
    meter: row => ({ tokens: (row.caption as Caption | undefined)?.tokens }),
    close: () => generator.close(),
  }
}

export async function reasonStage(flags: ModelFlags & { trajectories: number }): Promise<Stage> {
  const { passesReason, reason } = await import('./reason.ts')
  const prompt = await promptOf('reason', flags)
  const generator = await generatorOf(flags)
  const options: ReasonOptions = { trajectories: flags.trajectories, prompt, model: flags.model }
  return {
    name: 'reason',
    ...windowsOf(generator, options.trajectories),
    map: rows => reason(rows, generator, options),
    passes: passesReason,
    last: row => (row.trajectory as Trajectory).index === options.trajectories - 1,
    meter: row => ({ tokens: (row.trajectory as Trajectory | undefined)?.tokens }),
    close: () => generator.close(),
  }
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

export interface EvalFlags extends ModelFlags, SeatFlags {
  samples: number
  judge: Judge
  images?: string
  'allow-remote': boolean
  benchmark?: Benchmark
}

export async function evalStage(flags: EvalFlags, source: Pick<Source, 'folder'>): Promise<Stage> {
  const { evaluate, passesEvaluate } = await import('./evaluate.ts')
  const { prompt, system } = await askingOf(flags)
  const generator = await generatorOf(flags)
  const where = { folder: flags.images ?? source.folder, allowRemote: flags['allow-remote'] }
  const { samples, judge, model } = flags
  const seats = await seatsOf(flags)
  const options = { samples, prompt, system, judge, ...seats, model, images: (row: Row) => loadImages(row, where) }
  return {
    name: 'eval',
    ...windowsOf(generator, samples),
    map: rows => evaluate(rows, generator, options),
    passes: passesEvaluate,
    last: row => (row.response as Response).index === samples - 1,
    meter: responseMeter,
    close: async () => {
      await Promise.all([generator.close(), closeSeats(seats)])
    },
  }
}

/** What eval asks with: --prompt, or the benchmark's template, or the model's; and the system prompt. */
export async function askingOf({ model, prompt, benchmark }: Pick<EvalFlags, 'model' | 'prompt' | 'benchmark'>) {
  const { promptsFor, templateFrom } = await import('./prompts.ts')
  const { answer, system } = promptsFor(model)
  return { prompt: prompt === undefined ? (benchmark?.prompt ?? answer) : templateFrom(prompt), system }
}

export interface RewardFlags extends RewardOptions, SeatFlags {
  'reward-command'?: string
}

/** eval of saved answers: no model runs. */
export async function rescoreStage(options: RescoreOptions, flags: SeatFlags): Promise<Stage> {
  const { rescore } = await import('./evaluate.ts')
  const seats = await seatsOf(flags)
  return {
    name: 'eval',
    ...(await windowsBeside({ ...options, ...seats })),
    map: rows => rescore(rows, { ...options, ...seats }),
    ...oneToOne,
    meter: responseMeter,
    close: () => closeSeats(seats),
  }
}

const responseMeter = (row: Row) => {
  const response = row.response as Partial<Response> | null | undefined // a row with an error may hold any text there
  return { tokens: response?.tokens, passed: response?.verdict?.reward }
}

export async function rewardStage(flags: RewardFlags): Promise<Stage> {
  const stage = {
    name: 'reward',
    window: 'any' as const,
    ...oneToOne,
    meter: (row: Row) => ({ passed: (row.verdict as Verdict | undefined)?.reward }),
  }
  const command = flags['reward-command']
  if (command !== undefined) {
    const { Scorer } = await import('./scorer.ts')
    const scorer = new Scorer(command)
    return { ...stage, map: rows => scorer.score(rows), close: () => scorer.close() }
  }
  const seats = await seatsOf(flags)
  if (seats.juror) {
    const { rewardBy } = await import('./grade.ts')
    const grading = { judge: flags.judge, ...seats }
    const map = (rows: Row[]) => rewardBy(rows, grading, flags.key)
    return { ...stage, ...(await windowsBeside(grading)), map, close: () => closeSeats(seats) }
  }
  const { reward } = await import('./reward.ts')
  return { ...stage, map: rows => reward(rows, flags) }
}

export async function propagateStage(options: PropagateOptions): Promise<Stage> {
  const { credit } = await import('./propagate.ts')
  return {
    name: 'propagate',
    window: 'problem',
    map: rows => credit(rows, options),
    ...oneToOne,
    meter: row => ({ passed: (row.credit as Credit | undefined)?.reward }),
  }
}

export interface OverlapFlags extends Pick<OverlapOptions, 'by' | 'only'> {
  images?: string
  'allow-remote': boolean
}

/** @param paths the benchmarks: files of rows, or NAME=PATH @param told hears of every row that is checked */
export async function overlapStage(
  { by, only, images, 'allow-remote': allowRemote }: OverlapFlags,
  paths: string[],
  source: Pick<Source, 'folder'>,
  told?: (row: Row) => void,
): Promise<Stage> {
  const { Benchmarks, overlap } = await import('./overlap/overlap.ts')
  const { openNamed } = await import('../benchmarks/named.ts')
  const benchmarks = new Benchmarks(by)
  for (const path of paths) {
    const { name, source: questions } = await openNamed(path, line => process.stderr.write(`${line}\n`))
    await benchmarks.read(name, questions, allowRemote)
  }
  const options: OverlapOptions = { by, only, images: { folder: images ?? source.folder, allowRemote } }
  const map = (rows: Row[]) => overlap(rows, benchmarks, options, told)
  return { name: 'check overlap', window: 'any', map, ...oneToOne, skips: only !== undefined }
}

const oneToOne = { passes: (row: Row) => errorOf(row) !== undefined, last: () => true }

async function promptOf(which: 'caption' | 'reason', flags: ModelFlags): Promise<string> {
  const { promptsFor, templateFrom } = await import('./prompts.ts')
  return flags.prompt === undefined ? promptsFor(flags.model)[which] : templateFrom(flags.prompt)
}

async function generatorOf(flags: ModelFlags, { logprobs = false } = {}): Promise<Generator> {
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

async function seatsOf(flags: SeatFlags): Promise<Seats> {
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

async function closeSeats({ extractor, juror }: Seats): Promise<void> {
  await Promise.all([extractor?.close(), juror?.close()])
}

/** Whatever rows have come; single rows, several at once, where an LLM grades them. */
async function windowsBeside(grading: Grading): Promise<Pick<Stage, 'window' | 'ahead'>> {
  const { aheadOf } = await import('./grade.ts')
  const ahead = aheadOf(grading)
  return ahead === 1 ? { window: 'any' } : { window: 1, ahead }
}

/** Input rows whose samples fill one window of the generator; single rows, several at once, where it can do so. */
function windowsOf(generator: Generator, samples: number): Pick<Stage, 'window' | 'ahead'> {
  const { window, ahead } = generator
  return ahead === undefined ? { window: Math.max(1, Math.floor(window / samples)) } : { window: 1, ahead }
}
