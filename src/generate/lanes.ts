/** Lanes from the main thread: work is dealt out to them, answers come back in the order of the work. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { UserError } from '../errors.ts'
import type { FromLane, LaneSetup, LaneWork, ToLane, Told } from './lane.ts'
import type { Done } from './scheduler.ts'

export interface Lanes {
  /** Answers in the order of `work`. Stopping the iteration stops the work at the end of its burst. */
  run(work: LaneWork[]): AsyncGenerator<Done>
  close(): Promise<void>
}

export function openLanes(count: number, setup: LaneSetup): Lanes {
  const lanes = Array.from({ length: count }, () => start(setup))
  const kill = () => {
    for (const child of lanes) child.kill('SIGKILL')
  }
  process.on('exit', kill)
  let jobs = 0

  async function* run(work: LaneWork[]): AsyncGenerator<Done> {
    const job = jobs++
    const results: Done[] = []
    let failure: Error | undefined
    let wake = () => {}
    const end = deal(work, count).flatMap((part, lane) => {
      if (part.length === 0) return []
      const child = lanes[lane]
      const onMessage = (message: FromLane) => {
        if (message.job !== job) return
        if ('error' in message) failure = errorOf(message.error)
        else results[part[message.at]] = message.done
        wake()
      }
      const onExit = (code: number | null, signal: string | null) => {
        failure = ended(code, signal)
        wake()
      }
      if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode)
      child.on('message', onMessage).on('exit', onExit)
      hold(child)
      post(child, { job, work: part.map(i => work[i]) })
      return () => {
        if (child.connected) post(child, { stop: job })
        child.off('message', onMessage).off('exit', onExit)
        release(child)
      }
    })
    try {
      for (let i = 0; i < work.length; i++) {
        while (!results[i]) {
          if (failure) throw failure
          await new Promise<void>(resolve => {
            wake = resolve
          })
        }
        yield results[i]
      }
    } finally {
      for (const stop of end) stop()
    }
  }
  return {
    run,
    async close() {
      process.off('exit', kill)
      if (!setup.session.profile) return kill()
      // Sessions write their profiles when they are closed.
      await Promise.all(lanes.map(child => finished(child)))
    },
  }
}

/** Systems kill what takes all memory, and say no more than that. */
function ended(code: number | null, signal: string | null): Error {
  const what = `the process that runs the model ended (${signal ?? `code ${code}`})`
  return signal === 'SIGKILL'
    ? new UserError(`${what}: somebody killed it, or it ran out of memory. A smaller --batch-size needs less`)
    : new Error(what)
}

function finished(child: ChildProcess): Promise<unknown> {
  if (!child.connected) return Promise.resolve()
  const exit = once(child, 'exit')
  hold(child)
  post(child, { end: true })
  return exit
}

const errorOf = ({ message, stack, user }: Told) =>
  user ? new UserError(message) : Object.assign(new Error(message), { stack })

const post = (child: ChildProcess, message: ToLane) => child.send(message)

/** An idle lane does not keep the process alive. */
function release(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
}

function hold(child: ChildProcess): void {
  child.ref()
  child.channel?.ref()
}

/** Indices for each lane; equal prompts stay together, so that they are prefilled once. */
function deal(work: LaneWork[], count: number): number[][] {
  const lanes = Array.from({ length: count }, (): number[] => [])
  const chosen = new Map<string, number[]>()
  work.forEach(({ same }, i) => {
    const lane = chosen.get(same) ?? lanes.reduce((a, b) => (b.length < a.length ? b : a))
    chosen.set(same, lane)
    lane.push(i)
  })
  return lanes
}

/** From sources, Node has to be told about TypeScript first. */
function start(setup: LaneSetup): ChildProcess {
  const source = import.meta.url.endsWith('.ts')
  const child = fork(fileURLToPath(new URL(source ? './lane.ts' : './lane.js', import.meta.url)), {
    execArgv: source ? ['--import', import.meta.resolve('tsx')] : [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.on('error', () => {}) // its exit tells
  post(child, { setup })
  release(child)
  return child
}
