/**
 * train: the update (Algorithm 1, line 5). Reads all rows, turns them into examples by Eq. 7's objective, and hands them
 * to the trainer, which knows nothing of the method.
 */
import { existsSync } from 'node:fs'
import { freemem } from 'node:os'
import { UserError } from '../errors.ts'
import type { Format } from '../io/formats.ts'
import { loadImage } from '../io/images.ts'
import { checkPlace, checkWritable } from '../io/sink.ts'
import { openSource } from '../io/source.ts'
import { exit } from '../io/stage.ts'
import type { Compute } from '../models/builders/index.ts'
import type { ModelFolder } from '../models/folder.ts'
import { Dataset } from '../train/dataset.ts'
import { exampleOf, type Skipped } from '../train/rows.ts'
import { dryRun, type TrainOptions, train } from '../train/train.ts'
import { exampleOf as ownForm, tokenWeights } from './objective.ts'
import { promptsFor } from './prompts.ts'

const COMPUTE = { fp32: 'float32', fp16: 'float16', bf16: 'bfloat16' } as const

/** Tokens of a micro-batch. The CPU is fastest where activations stay in its caches (test/LOG.md); a GPU wants work. */
const MICRO_TOKENS = { cpu: 1024, cuda: 8192, webgpu: 8192 }

export interface TrainFlags extends Omit<TrainOptions, 'weigh' | 'microTokens' | 'compute'> {
  microTokens?: number
  /** Single precision where absent, on CUDA what the weights are stored in. */
  compute?: keyof typeof COMPUTE
  input: string
  from?: Format
  model: string
  dtype?: string
  /** Where pictures' paths start from; the input's folder where absent. */
  images?: string
  allowRemote: boolean
  /** Only the first rows. */
  limit?: number
  /** Tokens of an example at most. */
  maxLength: number
  /** Only say what memory it will take, of this many GiB (what is free, where absent). */
  dryRun: boolean
  memory?: number
}

/** Runs the stage. @returns the exit code */
export async function runTrain(flags: TrainFlags): Promise<number> {
  const { output, resume, quiet } = flags
  checkWritable('--log', flags.log)
  const say = (line: string) => quiet || process.stderr.write(`${line}\n`)
  if (existsSync(output) && !flags.dryRun) {
    if (!resume) throw new UserError(`${output}: exists already. Choose another folder, or remove it`, 2)
    say(`${output} is complete: nothing to resume`)
    return exit.done
  }
  if (!flags.dryRun) checkPlace('-o', output)
  const { newestCheckpoint, runFolder } = await import('../train/checkpoint.ts')
  const cut = newestCheckpoint(runFolder(output))
  if (cut && !resume && !flags.dryRun)
    throw new UserError(`${cut} is there from a run that was cut off: take it up with --resume, or remove it`)
  let stopped: 'SIGINT' | 'SIGTERM' | undefined
  const hear = (signal: 'SIGINT' | 'SIGTERM') => {
    if (stopped) process.exit(exit.interrupted) // a second signal does not wait
    stopped = signal
    say('train: stopping after this step; once more ends at once')
  }
  const { onStop } = await import('../train/process.ts')
  const unhear = onStop(hear)
  try {
    const { openFolder } = await import('../models/folder.ts')
    const { resolveDevice, silenceDevice } = await import('../graph/session.ts')
    const { openPolicy } = await import('../train/policy.ts')
    if (quiet) silenceDevice()
    const folder = await openFolder(flags.model, { dtype: flags.dtype })
    if (flags.trainVision && folder.kind === 'lm')
      throw new UserError(`--train-vision: ${flags.model} has no vision tower`, 2)
    await openPolicy(folder, { trainVision: flags.trainVision, lora: flags.lora && { ...flags.lora, seed: 0 } }) // what cannot be trained is told at once
    const data = await readData(flags, folder, say)
    const device = await resolveDevice(flags.device)
    const microTokens = flags.microTokens ?? MICRO_TOKENS[device]
    const compute = await computeOf(flags, folder, device)
    const options = { ...flags, device, microTokens, compute, weigh: tokenWeights }
    if (flags.dryRun) {
      const limit = flags.memory ? flags.memory * 2 ** 30 : freemem()
      for (const line of await dryRun(folder, data, options, limit)) process.stdout.write(`${line}\n`)
      return exit.done
    }
    if (await train(folder, data, options, () => stopped !== undefined)) return exit.done
    say(`sophia train: interrupted; ${output}.part holds what is done: go on with --resume`)
    return stopped === 'SIGTERM' ? 143 : exit.interrupted
  } finally {
    unhear()
  }
}

async function computeOf({ compute, dryRun }: TrainFlags, folder: ModelFolder, device: string): Promise<Compute> {
  if (!compute) return device === 'cuda' ? (await import('../train/policy.ts')).storedIn(folder) : 'float32'
  if (compute === 'bf16' && device !== 'cuda' && !dryRun)
    throw new UserError(`--compute bf16: ${device} has no products in bfloat16. Take fp32, or a CUDA device`, 2)
  return COMPUTE[compute]
}

async function readData(flags: TrainFlags, folder: ModelFolder, say: (line: string) => void): Promise<Dataset> {
  const { openChat } = await import('../models/chat.ts')
  const source = openSource(flags.input, flags.from)
  const prompts = promptsFor(folder.path)
  const start = { folder: flags.images ?? source.folder, allowRemote: flags.allowRemote }
  const load = async (reference: unknown) => Uint8Array.from(await loadImage(reference, start))
  const data = new Dataset({ chat: await openChat(folder), eos: folder.eos, load, maxLength: flags.maxLength })
  const skipped: Skipped = { failed: 0, unrewarded: 0 }
  let rows = 0
  let told = performance.now()
  reading: for await (const batch of source.batches()) {
    for (const row of batch) {
      if (rows >= (flags.limit ?? Number.POSITIVE_INFINITY)) break reading
      const where = `${source.name}: row ${++rows}`
      const example = exampleOf(row, where, skipped, r => ownForm(r, prompts))
      if (example)
        await data.add(example).catch(error => {
          throw error instanceof UserError ? new UserError(`${where}: ${error.message}`) : error
        })
      if (performance.now() - told > 10_000) {
        say(`train: read ${rows.toLocaleString('en')} rows`)
        told = performance.now()
      }
    }
  }
  const count = (n: number, what: string) => (n > 0 ? ` · ${n.toLocaleString('en')} ${what}` : '')
  const notes = [
    count(skipped.unrewarded, 'without reward'),
    count(skipped.failed, 'with an error'),
    count(data.tooLong, `longer than ${flags.maxLength} tokens`),
  ]
  const learnt = data.entries.length
  say(`train: ${rows.toLocaleString('en')} rows · ${learnt.toLocaleString('en')} examples${notes.join('')}`)
  if (learnt === 0) throw new UserError(`${source.name}: no row to learn from (${rows} rows${notes.join('')})`)
  return data
}
