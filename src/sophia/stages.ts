/** The stages as the runner takes them: flags in, a window's map out. The method is in the files beside. */
import type { Judge } from '../answers/verify.ts'
import type { Benchmark } from '../benchmarks/index.ts'
import { loadImages } from '../io/images.ts'
import type { Source } from '../io/source.ts'
import type { Stage } from '../io/stage.ts'
import type { CaptionOptions } from './caption.ts'
import {
  closeSeats,
  generatorOf,
  type ModelFlags,
  type SeatFlags,
  seatsOf,
  windowsBeside,
  windowsOf,
} from './engines.ts'
import type { RescoreOptions } from './evaluate.ts'
import type { OverlapOptions } from './overlap/overlap.ts'
import type { PropagateOptions } from './propagate.ts'
import type { ReasonOptions } from './reason.ts'
import type { RewardOptions } from './reward.ts'
import { type Caption, type Credit, errorOf, type Row, type Trajectory, type Verdict } from './rows.ts'
import type { Response } from './score.ts'

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

export interface EvalFlags extends ModelFlags, SeatFlags {
  samples: number
  judge: Judge
  images?: string
  'allow-remote': boolean
  benchmark?: Benchmark
}

export async function evalStage(flags: EvalFlags, source: Pick<Source, 'folder'>): Promise<Stage> {
  const { askingOf, evaluate, passesEvaluate } = await import('./evaluate.ts')
  const { prompt, system } = askingOf(flags)
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
