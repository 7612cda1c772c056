/** The engine: a model folder's graphs, run in bursts by a scheduler, in threads of their own. */

import { bytesOf, sizeOf } from '../graph/ir.ts'
import { openProfile } from '../graph/profile.ts'
import { resolveDevice } from '../graph/session.ts'
import { openChat } from '../models/chat.ts'
import { type ModelFolder, openFolder } from '../models/folder.ts'
import { partsOf } from './forward.ts'
import type { GeneratorOptions } from './index.ts'
import type { LaneWork } from './lane.ts'
import { openLanes } from './lanes.ts'
import { encodeAll, type Ready } from './requests.ts'
import { shapeFor } from './scheduler.ts'
import type { Failure, Generated, Generator, Request } from './types.ts'

/** Rows at once, where nobody says how many. */
const BATCH = 128
/** Decoders up to this size run in two lanes, each with the model and one thread. */
const SMALL = 64 * 2 ** 20

export async function onnxGenerator(options: GeneratorOptions): Promise<Generator> {
  const { sampling, model, adapter, dtype } = options
  const batch = options.batchSize || BATCH
  const folder = await openFolder(model, { adapter, dtype })
  const chat = await openChat(folder)
  const device = await resolveDevice(options.device ?? 'auto')
  // How work is dealt out must not depend on the machine, or texts would, by float noise.
  const count = device === 'cpu' && (await weightBytes(folder)) <= SMALL ? 2 : 1
  const threads = options.threads ?? (count > 1 ? 1 : 0)
  const profile = options.profile ? openProfile() : undefined
  const lanes = openLanes(count, {
    model,
    adapter,
    dtype,
    sampling,
    shape: shapeFor(device, Math.ceil(batch / count)),
    session: { device, threads, spin: false, profile: profile?.prefix },
  })
  const stops = new Set(folder.eos)

  async function* generate(requests: Request[]): AsyncGenerator<Generated | Failure> {
    const ready = await encodeAll(requests, chat, folder, sampling.maxTokens)
    const answers = lanes.run(ready.flatMap((item, i) => ('error' in item ? [] : [workOf(item, requests[i])])))
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
  async function close(): Promise<void> {
    await lanes.close()
    if (profile) process.stderr.write(profile.table())
  }
  return { window: batch * 4, generate, close }
}

const workOf = ({ ids, vision, positions, same, budget }: Ready, { keys }: Request): LaneWork => ({
  prompt: { ids, vision, positions },
  same,
  budget,
  keys,
})

async function weightBytes(folder: ModelFolder): Promise<number> {
  const { decoder } = await partsOf(folder)
  return [...decoder.initializers.values()].reduce((sum, { dtype, shape }) => sum + bytesOf(dtype) * sizeOf(shape), 0)
}
