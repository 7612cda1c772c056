/**
 * The process that a model runs in. A run of ONNX Runtime blocks its thread, so the main process stays free for pipes
 * and signals; and small operators gain little from threads inside, so small models run in two lanes, a core each.
 * Not worker threads: ONNX Runtime aborts the whole process where one is ended during a run.
 */

import { UserError } from '../errors.ts'
import type { SessionOptions } from '../graph/session.ts'
import { openFolder } from '../models/folder.ts'
import { stream } from '../random.ts'
import { partsOf } from './forward.ts'
import { openRunner } from './runner.ts'
import { type Done, type Shape, schedule, type Work } from './scheduler.ts'
import type { Sampling } from './types.ts'

export interface LaneSetup {
  model: string
  /** A PEFT adapter on top of the model. */
  adapter?: string
  /** Which of the Hub's variants of its graphs. */
  dtype?: string
  sampling: Sampling
  shape: Shape
  session: SessionOptions
}

/** Work as it can be sent: the draws by their keys. */
export type LaneWork = Omit<Work, 'draw'> & { keys: (string | number)[] }

export type ToLane = { setup: LaneSetup } | { job: number; work: LaneWork[] } | { stop: number } | { end: true }
/** An error as it can be sent; `user`: a UserError. */
export interface Told {
  message: string
  stack?: string
  user: boolean
}
export type FromLane = { job: number; at: number; done: Done } | { job: number; error: Told }

async function open({ model, adapter, dtype, sampling, shape, session }: LaneSetup) {
  const folder = await openFolder(model, { adapter, dtype })
  const runner = openRunner(await partsOf(folder), folder.eos, sampling, { ...session, folder: folder.onnx })
  return {
    answer(work: LaneWork[], stop: () => boolean) {
      const drawn = work.map(({ keys, ...rest }) => ({ ...rest, draw: stream(sampling.seed, ...keys) }))
      return schedule(drawn, runner, folder.eos, shape, stop)
    },
    close: () => runner.close(),
  }
}

async function end(): Promise<void> {
  await (await opened)?.close()
  process.exit()
}

const say = (message: FromLane) => process.send!(message)
const stopped = new Set<number>()
let opened: ReturnType<typeof open>
let last = Promise.resolve()

async function run(job: number, work: LaneWork[]): Promise<void> {
  try {
    const model = await opened
    let at = 0
    for await (const done of model.answer(work, () => stopped.has(job))) say({ job, at: at++, done })
  } catch (error) {
    const { message, stack } = error as Error
    say({ job, error: { message, stack, user: error instanceof UserError } })
  }
}

process.on('message', (message: ToLane) => {
  if ('setup' in message) {
    opened = open(message.setup)
    opened.catch(() => {}) // told to the first job
  } else if ('stop' in message) stopped.add(message.stop)
  else if ('end' in message) last = last.then(end)
  else last = last.then(() => run(message.job, message.work))
})
process.on('disconnect', () => process.exit())
process.on('SIGINT', () => {}) // Ctrl-C goes to the whole group; the main process decides
