/** The stages as the runner takes them: flags in, a window's map out. The method is in the files beside. */
import type { Judge } from '../answers/verify.ts'
import type { Benchmark } from '../benchmarks/index.ts'
import type { Generator, Sampling } from '../generate/types.ts'
import { loadImages } from '../io/images.ts'
import type { Source } from '../io/source.ts'
import type { Stage } from '../io/stage.ts'
import type { CaptionOptions } from './caption.ts'
import type { RescoreOptions } from './evaluate.ts'
import type { PropagateOptions } from './propagate.ts'
import type { ReasonOptions } from './reason.ts'
import type { RewardOptions } from './reward.ts'
import { type Caption, type Credit, errorOf, type Row, type Trajectory, type Verdict } from './rows.ts'
import type { Response } from './score.ts'

/** The flags that caption and reason share. */
export interface ModelFlags {
  model: string
  adapter?: string
  dtype?: string
  engine: 'onnx' | 'transformers'
  device: 'auto' | 'cpu' | 'cuda' | 'webgpu'
  temperature: number
  'top-p': number
  'max-tokens': number
  'batch-size': number
  seed: number
  prompt?: string
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
  const generator = await generatorOf(flags)
  const where = { folder: flags.images ?? source.folder, allowRemote: flags['allow-remote'] }
  const options: CaptionOptions = { captions: flags.captions, prompt, images: row => loadImages(row, where) }
  return {
    name: 'caption',
    window: windowOf(generator, options.captions),
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
    window: windowOf(generator, options.trajectories),
    map: rows => reason(rows, generator, options),
    passes: passesReason,
    last: row => (row.trajectory as Trajectory).index === options.trajectories - 1,
    meter: row => ({ tokens: (row.trajectory as Trajectory | undefined)?.tokens }),
    close: () => generator.close(),
  }
}

export interface EvalFlags extends ModelFlags {
  samples: number
  judge: Judge
  images?: string
  'allow-remote': boolean
  benchmark?: Benchmark
}

export async function evalStage(flags: EvalFlags, source: Pick<Source, 'folder'>): Promise<Stage> {
  const { evaluate, passesEvaluate } = await import('./evaluate.ts')
  const { promptsFor, templateFrom } = await import('./prompts.ts')
  const { answer, system } = promptsFor(flags.model)
  const own = flags.benchmark?.prompt ?? answer
  const prompt = flags.prompt === undefined ? own : templateFrom(flags.prompt)
  const generator = await generatorOf(flags)
  const where = { folder: flags.images ?? source.folder, allowRemote: flags['allow-remote'] }
  const { samples, judge, model } = flags
  const options = { samples, prompt, system, judge, model, images: (row: Row) => loadImages(row, where) }
  return {
    name: 'eval',
    window: windowOf(generator, samples),
    map: rows => evaluate(rows, generator, options),
    passes: passesEvaluate,
    last: row => (row.response as Response).index === samples - 1,
    meter: responseMeter,
    close: () => generator.close(),
  }
}

export interface RewardFlags extends RewardOptions {
  'reward-command'?: string
}

/** eval of saved answers: no model runs. */
export async function rescoreStage(options: RescoreOptions): Promise<Stage> {
  const { rescore } = await import('./evaluate.ts')
  return { name: 'eval', window: 'any', map: rows => rescore(rows, options), ...oneToOne, meter: responseMeter }
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

const oneToOne = { passes: (row: Row) => errorOf(row) !== undefined, last: () => true }

async function promptOf(which: 'caption' | 'reason', flags: ModelFlags): Promise<string> {
  const { promptsFor, templateFrom } = await import('./prompts.ts')
  return flags.prompt === undefined ? promptsFor(flags.model)[which] : templateFrom(flags.prompt)
}

async function generatorOf(flags: ModelFlags): Promise<Generator> {
  const { createGenerator } = await import('../generate/index.ts')
  const sampling: Sampling = {
    seed: flags.seed,
    temperature: flags.temperature,
    topP: flags['top-p'],
    maxTokens: flags['max-tokens'],
  }
  const { model, adapter, dtype, engine, device, quiet } = flags
  return createGenerator({ model, adapter, dtype, engine, device, batchSize: flags['batch-size'], sampling, quiet })
}

/** Input rows whose samples fill one window of the generator. */
function windowOf(generator: Generator, samples: number): number {
  return Math.max(1, Math.floor(generator.window / samples))
}
