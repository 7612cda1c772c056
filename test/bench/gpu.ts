/**
 * What gpu.sh needs beside the CLI, each as a word of the command line:
 *
 *     checkpoint SIZE FOLDER       a random checkpoint (checkpoint.ts)
 *     rows FOLDER T OUT            one example of all but T tokens, with a picture
 *     full CARRIED MODEL ROWS OUT LOG DEVICE COMPUTE STEPS BATCH
 *                                  full training; CARRIED 1 keeps weights and moments on the device, 0 with the host
 *     texts A B                    how many answers of two evals are equal
 *     losses A B                   how far the losses of two training logs are apart
 *     speed LOG                    tokens a second of a training log, the first step left out
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import sharp from 'sharp'
import type { Device } from '../../src/graph/session.ts'
import { openChat } from '../../src/models/chat.ts'
import { openFolder } from '../../src/models/folder.ts'
import { runTrain } from '../../src/sophia/train.ts'
import { Dataset } from '../../src/train/dataset.ts'
import type { StepLine } from '../../src/train/log.ts'
import { makeCheckpoint, type Size } from './checkpoint.ts'

const [what, ...given] = process.argv.slice(2)
const print = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const linesOf = <T>(file: string): T[] => readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map(line => JSON.parse(line) as T) // biome-ignore format: one thought

const WORDS: Record<string, (...given: string[]) => Promise<unknown> | unknown> = {
  checkpoint: (size, folder) => makeCheckpoint(folder, size as Size),

  async rows(path, length, out) {
    const folder = await openFolder(path)
    const picture = join(dirname(out), 'picture.png')
    await sharp({ create: { width: 448, height: 448, channels: 3, background: '#88aaff' } })
      .png()
      .toFile(picture)
    const chat = await openChat(folder)
    const load = async () => Uint8Array.from(readFileSync(picture))
    const prompt = 'How many circles are there in the picture?'
    const completion = (words: number) => 'Let me look at the picture once more, row by row. '.repeat(words).trim()
    const tokens = async (words: number) => {
      const data = new Dataset({ chat, eos: folder.eos, load, maxLength: Number.POSITIVE_INFINITY })
      const messages = [{ role: 'user' as const, text: prompt, images: 1 }, { role: 'assistant' as const, text: completion(words) }] // biome-ignore format: one thought
      await data.add({ id: 'a', messages, images: [0], weight: 1 })
      return data.lengths[0]
    }
    const [few, some] = [await tokens(1), await tokens(11)]
    const words = Math.max(1, 1 + Math.floor((Number(length) - few) / ((some - few) / 10)))
    writeFileSync(out, `${JSON.stringify({ id: 1, images: [basename(picture)], prompt, completion: completion(words) })}\n`) // biome-ignore format: one thought
    print({ tokens: await tokens(words) })
  },

  async full(carried, model, input, output, log, device, compute, steps, batch) {
    const schedule = { lr: 1e-3, lrFloor: 0.25, warmup: 0, epochs: 10_000, maxSteps: Number(steps), batchSize: Number(batch) } // biome-ignore format: one thought
    const adamw = { betas: [0.9, 0.95] as [number, number], weightDecay: 0.05, clip: 1 }
    const rows = { input, images: dirname(input), allowRemote: false, maxLength: 32_768 }
    const plain = { resume: false, recompute: false, trainVision: false, dryRun: false, quiet: true }
    const how = { device: device as Device, compute: compute as 'fp32', carried: carried === '1', threads: 0, saveEvery: 10_000, seed: 0 } // biome-ignore format: one thought
    await runTrain({ ...schedule, ...adamw, ...rows, ...plain, ...how, model, output, log })
  },

  texts(a, b) {
    const [left, right] = [a, b].map(file => new Map(linesOf<{ id: string; response: unknown }>(file).map(({ id, response }) => [id, JSON.stringify(response)]))) // biome-ignore format: one thought
    const ids = [...left.keys()].filter(id => right.has(id))
    print({ answers: ids.length, equal: ids.filter(id => left.get(id) === right.get(id)).length })
  },

  losses(a, b) {
    const [left, right] = [a, b].map(file => linesOf<StepLine>(file))
    const apart = right.map(({ loss }, i) => Math.abs(loss - left[i].loss) / Math.abs(left[i].loss))
    const first = Math.abs(right[0].grad_norm - left[0].grad_norm) / left[0].grad_norm
    print({
      steps: right.length,
      firstLossApart: apart[0],
      firstGradientNormApart: first,
      mostApart: Math.max(...apart),
    })
  },

  speed(log) {
    const lines = linesOf<StepLine>(log).slice(1)
    if (lines.length === 0) throw new Error(`${log}: no step after the first`)
    print({ steps: lines.length, tokensPerSecond: Math.max(...lines.map(line => line.tokens_per_second)) })
  },
}

await WORDS[what](...given)
