/** The engine: a model folder's graphs in bursts, and the scheduler over them. */

import { resolveDevice } from '../graph/session.ts'
import { openChat } from '../models/chat.ts'
import { type ModelFolder, openFolder } from '../models/folder.ts'
import { stream } from '../random.ts'
import type { Parts } from './forward.ts'
import type { GeneratorOptions } from './index.ts'
import { encodeAll, type Ready } from './requests.ts'
import { openRunner } from './runner.ts'
import { schedule, shapeFor, type Work } from './scheduler.ts'
import type { Failure, Generated, Generator, Request } from './types.ts'

/** Rows at once where nobody says how many. */
const BATCH = 64

export async function onnxGenerator(options: GeneratorOptions): Promise<Generator> {
  const { sampling, device = 'auto', threads } = options
  const batch = options.batchSize || BATCH
  const folder = await openFolder(options.model)
  const chat = await openChat(folder)
  const { eos } = folder
  const resolved = await resolveDevice(device)
  const runner = openRunner(await partsOf(folder), eos, sampling, {
    device: resolved,
    folder: folder.onnx,
    threads,
  })
  const stops = new Set(eos)
  const shape = shapeFor(resolved, batch)

  async function* generate(requests: Request[]): AsyncGenerator<Generated | Failure> {
    const ready = await encodeAll(requests, chat, folder, sampling.maxTokens)
    const work = ready.flatMap((item, i) => ('error' in item ? [] : [workOf(item, requests[i])]))
    const answers = schedule(work, runner, eos, shape)
    try {
      for (const item of ready) {
        if ('error' in item) {
          yield item
          continue
        }
        const { tokens, logprob } = (await answers.next()).value
        const stopped = stops.has(tokens.at(-1))
        const text = chat.decode(stopped ? tokens.slice(0, -1) : tokens)
        yield { text, tokens: tokens.length, finish: stopped ? 'stop' : 'length', logprob }
      }
    } finally {
      await answers.return(undefined)
    }
  }
  const workOf = ({ ids, pixels, same, budget }: Ready, { keys }: Request): Work => ({
    prompt: { ids, pixels },
    same,
    budget,
    draw: stream(sampling.seed, ...keys),
  })
  return { window: batch * 4, generate, close: () => runner.close() }
}

export async function partsOf(folder: ModelFolder): Promise<Parts> {
  const graph = async (name: string) => (await folder.graph(name)).graph
  if (folder.kind === 'lm') return { decoder: await graph('model') }
  return {
    decoder: await graph('decoder_model_merged'),
    embed: await graph('embed_tokens'),
    vision: await graph('vision_encoder'),
    imageToken: folder.imageToken,
  }
}
