/**
 * The training loop, top to bottom. Each step: pick the sequences, weigh their tokens, run the step graph, look whether
 * all is well, log, and now and then save. On a GPU a run goes through as many steps as it has room for, up to the next
 * whose state is to be looked at here. The method (which rows, what weights) comes in from above.
 * Left out: several machines, evaluation along the way (`eval` is its own stage).
 */

import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openProfile } from '../graph/profile.ts'
import type { Device } from '../graph/session.ts'
import type { Compute } from '../models/builders/index.ts'
import type { ModelFolder } from '../models/folder.ts'
import { microBatches, stepsPerEpoch } from './batches.ts'
import { loadCheckpoint, newestCheckpoint, runFolder, type Settings, saveCheckpoint } from './checkpoint.ts'
import type { Dataset } from './dataset.ts'
import type { Batch } from './engine.ts'
import { describe, forecast, inGiB, longestThatFits } from './forecast.ts'
import { type Fit, queriesFor, roomOf } from './forward.ts'
import { openLog, startNews } from './log.ts'
import { momentFile } from './moments.ts'
import { openPolicy, type Policy, startingWeights } from './policy.ts'
import { mergeable, saveModel } from './result.ts'
import { learningRate } from './schedule.ts'
import { freshState, type State } from './state.ts'
import { buildStep } from './step.ts'
import { buildSteps } from './steps.ts'
import { Trainer } from './trainer.ts'
import { verifySaved } from './verify.ts'
import { Watch } from './watch.ts'

export interface TrainOptions {
  /** The folder that is written. */
  output: string
  resume: boolean
  lr: number
  weightDecay: number
  betas: [number, number]
  clip: number
  /** Sequences a step. */
  batchSize: number
  epochs: number
  maxSteps?: number
  warmup: number
  lrFloor: number
  microTokens: number
  trainVision: boolean
  lora?: { rank: number; alpha: number }
  /** What products are computed in. */
  compute?: Compute
  /** Keep only each layer's input for the backward pass, and work the layer out again there. */
  recompute: boolean
  /** Keep AdamW's moments in a file in place of memory; on a GPU that is with the host, which moves the weights then. */
  offloadOptimizer?: boolean
  seed: number
  /** Steps from checkpoint to checkpoint. */
  saveEvery: number
  device: Device
  /** Whether a run may go through several steps with weights and moments on the device; on a GPU where absent. */
  carried?: boolean
  threads: number
  /** File of the log; standard output where absent. */
  log?: string
  quiet: boolean
  /** At the end, tell on stderr where the time went. */
  profile?: boolean
  /** What each token of a sequence weighs in its step, from rewards and learnt lengths (Eq. 7). */
  weigh: (rewards: number[], lengths: number[]) => number[]
}

/**
 * Trains the model in `folder` on `data` and writes a model folder.
 *
 * @param interrupted says whether the user wants to stop; the run is saved then and can be taken up
 * @returns whether it came to its end
 * @throws UserError where the run diverges; the last good checkpoint stays
 */
export async function train(
  folder: ModelFolder,
  data: Dataset,
  options: TrainOptions,
  interrupted: () => boolean = () => false,
): Promise<boolean> {
  const { output, batchSize, microTokens, seed, lr, lrFloor, saveEvery, quiet } = options
  const sizes = { lengths: data.lengths, images: data.images }
  const perEpoch = stepsPerEpoch(data.entries.length, batchSize)
  const steps = Math.min(options.maxSteps ?? Number.POSITIVE_INFINITY, Math.ceil(perEpoch * options.epochs))
  const schedule = { lr, steps, warmup: options.warmup, floor: lrFloor }
  const lora = options.lora && { ...options.lora, seed }
  const policy = await openPolicy(folder, { trainVision: options.trainVision, lora, compute: options.compute })

  const run = runFolder(output)
  const settings = settingsOf(options, folder, data)
  const last = options.resume ? newestCheckpoint(run) : undefined
  if (!last) rmSync(run, { recursive: true, force: true })
  const offloaded = options.offloadOptimizer ? await momentsIn(run, policy) : undefined
  const saved = last ? await loadCheckpoint(last, settings, offloaded) : undefined
  const fresh = async () => freshState(policy.trained, await startingWeights(policy), options.compute === 'float16', offloaded) // biome-ignore format: one thought
  const state = saved?.state ?? (await fresh())
  const watch = new Watch(saved?.watch)
  const profile = options.profile ? openProfile() : undefined
  const trainer = await openTrainer(policy, state, options, fitOf(options, data), profile?.prefix)
  const log = openLog(options.log, state.step)
  const news = startNews(steps, quiet)
  const save = () => saveCheckpoint(run, { state, watch: watch.state }, settings)
  const batchOf = async (step: number): Promise<Batch> => {
    const micro = microBatches(step, sizes, { batchSize, microTokens, seed })
    const entries = micro.flat().map(index => data.entries[index])
    const weights = options.weigh(entries.map(entry => entry.weight), entries.map(entry => entry.targets)) // biome-ignore format: one thought
    return { micro: await data.batch(micro, weights), lr: learningRate(step, schedule) }
  }
  const far = (step: number) => step === 1 || step % 10 === 0 || step === steps
  const saves = (step: number) => step % saveEvery === 0 && step < steps

  try {
    while (state.step < steps) {
      const started = performance.now()
      const before = state.step
      const batches = [await batchOf(before + 1)]
      const end = () => before + batches.length
      while (!far(end()) && !saves(end()) && trainer.wants(batches)) batches.push(await batchOf(end() + 1))
      const scale = state.scaler?.scale
      const results = await trainer.steps(batches, interrupted, far(end()))
      const positions = results.reduce((sum, { padded }) => sum + padded, 0)
      const each = (performance.now() - started) / 1000 / positions
      for (const [i, result] of results.entries()) {
        const step = before + 1 + i
        if (!result.skipped)
          watch.see(step, result.loss, result.gradNorm, adviceOf(run, newestCheckpoint(run) !== undefined))
        const seconds = result.padded * each
        const line = {
          step,
          epoch: Math.ceil(step / perEpoch),
          loss: result.loss,
          lr: batches[i].lr,
          grad_norm: result.gradNorm,
          tokens: result.targets,
          tokens_per_second: result.tokens / seconds,
          logprob: result.logprob,
          ...(result.drift !== undefined && { drift: result.drift }),
          padding: 1 - result.tokens / result.padded,
          seconds,
          ...(scale && { scale }),
          ...(result.skipped && { skipped: true as const }),
        }
        await log.write(line)
        news(line)
      }
      if (interrupted()) {
        await save()
        return false
      }
      if (saves(state.step)) await save()
    }
  } finally {
    await log.close()
    await trainer.close()
    if (profile) process.stderr.write(profile.table())
  }
  // Only now, when the session has given its memory back.
  await saveModel(folder, `${run}/model`, policy, state.weights, options.lora)
  if (!quiet && !mergeable(policy.adapters)) process.stderr.write(adapterAlone(folder, output))
  await verifyRun(folder, data, policy, state, options)
  renameSync(`${run}/model`, output)
  rmSync(run, { recursive: true, force: true })
  return true
}

/** A file for the moments in the run's folder. */
function momentsIn(run: string, { trained }: Policy) {
  mkdirSync(run, { recursive: true })
  return momentFile(join(run, 'moments.bin'), trained.map(({ name, start }) => ({ name, shape: start.shape }))) // biome-ignore format: one thought
}

/** Holds what was saved against what was trained, on the shortest row. */
async function verifyRun(folder: ModelFolder, data: Dataset, policy: Policy, state: State, options: TrainOptions) {
  const { output, lora, device, threads } = options
  const model = `${runFolder(output)}/model`
  const shortest = data.lengths.reduce((best, length, i, all) => (length < all[best] ? i : best), 0)
  const [[sequence]] = await data.batch([[shortest]], [1])
  const saved = {
    ...(mergeable(policy.adapters) && { model }),
    ...(lora && { adapter: `${model}/adapter` }),
  }
  const how = { fit: fitOf(options, data), session: { device, threads } }
  await verifySaved(saved, folder, policy, state.weights, sequence, how)
}

/** Prints what memory the costliest micro-batch of the first pass will take, and how long a sequence may be. */
export async function dryRun(
  folder: ModelFolder,
  data: Dataset,
  options: TrainOptions,
  limit: number,
): Promise<string[]> {
  const { batchSize, microTokens, seed, recompute, offloadOptimizer: offload, device } = options
  const lora = options.lora && { ...options.lora, seed }
  const policy = await openPolicy(folder, { trainVision: options.trainVision, lora, compute: options.compute })
  const sizes = { lengths: data.lengths, images: data.images }
  let worst: number[] = []
  const width = (micro: number[]) => micro.length * (data.entries[micro[0]]?.ids.length ?? 0)
  for (let step = 1; step <= stepsPerEpoch(data.entries.length, batchSize); step++)
    for (const micro of microBatches(step, sizes, { batchSize, microTokens, seed })) if (width(micro) > width(worst)) worst = micro // biome-ignore format: one thought
  const entries = worst.map(index => data.entries[index])
  const sum = (of: (entry: (typeof entries)[0]) => number) => entries.reduce((total, entry) => total + of(entry), 0)
  const batch = {
    rows: entries.length,
    length: entries[0].ids.length,
    targets: sum(({ targets }) => targets),
    images: Math.max(
      1,
      sum(({ images }) => images.length),
    ),
  }
  const longest = Math.max(...data.lengths)
  const plan = { recompute, offload, room: roomOf(device), gpu: device !== 'cpu' }
  const fits = longestThatFits(policy, plan, limit)
  return [
    `micro-batch of ${batch.rows} × ${batch.length} tokens, ${batch.targets} learnt`,
    ...describe(forecast(policy, plan, longest, batch)),
    `longest sequence that fits in ${inGiB(limit)} GiB${' '.repeat(9)}${fits > 0 ? `${fits.toLocaleString('en')} tokens` : 'none'}`,
  ]
}

const fitOf = ({ recompute, device }: TrainOptions, data: Dataset): Fit => {
  const room = roomOf(device)
  const longest = data.lengths.reduce((a, b) => Math.max(a, b), 0)
  return { recompute, queries: queriesFor(longest, room), room }
}

/** Whether weights and moments go through several steps on the device before they come back. */
const carries = ({ device, offloadOptimizer, carried = device !== 'cpu' }: TrainOptions) => carried && !offloadOptimizer

async function openTrainer(policy: Policy, state: State, options: TrainOptions, fit: Fit, profile?: string) {
  const { betas, weightDecay, clip, device, threads } = options
  const { parts, trained, reading } = policy
  const update = { betas, weightDecay, clip, epsilon: 1e-8, reading, loop: device !== 'cpu', carried: carries(options) }
  const how = { loop: update.loop, fit, reading }
  const graph = update.carried ? buildSteps(parts, trained, update, how) : buildStep(parts, trained, how)
  return Trainer.open(graph, trained, state, update, { device, threads, folder: policy.onnx, profile })
}

/** What the weights depend on. Threads and device are left out: they change the last digits only. */
function settingsOf(options: TrainOptions, folder: ModelFolder, data: Dataset): Settings {
  const { lr, lrFloor, warmup, weightDecay, betas, clip, batchSize, epochs, maxSteps, microTokens } = options
  const { lora, trainVision, compute = 'float32', seed } = options
  const rates = { lr, lrFloor, warmup, weightDecay, betas, clip }
  const order = { batchSize, epochs, maxSteps, microTokens, seed }
  return {
    model: folder.path,
    dtype: folder.dtype,
    rows: data.fingerprint(),
    ...rates,
    ...order,
    lora,
    trainVision,
    compute,
  }
}

const adapterAlone = ({ path, dtype }: ModelFolder, output: string) =>
  `train: weights of four bits cannot take an adapter in: ${output} holds the adapter alone. ` +
  `Use it as --model ${path}${dtype ? ` --dtype ${dtype}` : ''} --adapter ${output}/adapter\n`

const adviceOf = (run: string, there: boolean) =>
  `${there ? `${run} holds the last good checkpoint. ` : ''}Try a lower --lr, a longer --warmup or a lower --clip`
