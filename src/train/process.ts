/**
 * The process that training runs in. A step allocates and frees gigabytes in arrays of some megabytes, which glibc gives
 * back to the system each time: page faults then take a quarter of the time (test/LOG.md). Kept instead, and in huge
 * pages, they take next to none. glibc reads its settings when a process starts, so `train` runs in a second one, and
 * the first stays free to hear signals, which a run of ONNX Runtime would not let through.
 * Elsewhere than on Linux, and where GLIBC_TUNABLES is set already, there is but one process.
 */

import { spawn } from 'node:child_process'
import { UserError } from '../errors.ts'

/**
 * glibc's names. Memory is kept: huge pages; arrays up to 1 GiB come from what is kept; what is freed stays, up to 4 GiB.
 * And it stays in one piece: the heap grows by 1 GiB, for where it cannot go on at its end (it meets other mappings) it
 * goes on in pieces of that size; and no scrap that is freed is laid aside. Alignment cuts scraps off every array; laid
 * aside they keep the hole of a freed array from growing whole again, and the next of its size does not fit.
 */
const SETTINGS = {
  hugetlb: 1,
  mmap_threshold: 2 ** 30,
  trim_threshold: 2 ** 32,
  top_pad: 2 ** 30,
  tcache_count: 0,
  mxfast: 0,
}
const TUNABLES = Object.entries(SETTINGS)
  .map(([name, value]) => `glibc.malloc.${name}=${value}`)
  .join(':')

/** The environment that a process which trains is to be started with. */
export const trainingEnvironment = (): NodeJS.ProcessEnv => ({ GLIBC_TUNABLES: TUNABLES, ...process.env })

const STOPS = ['SIGINT', 'SIGTERM'] as const

/**
 * Runs this process' command line once more in that environment, where that makes a difference, and waits. A first
 * SIGINT or SIGTERM is passed on, a second one ends both at once.
 *
 * @returns the exit code; undefined where this process is the one that is to train
 * @throws UserError where the other process was killed
 */
export async function handOver(): Promise<number | undefined> {
  if (process.platform !== 'linux' || process.env.GLIBC_TUNABLES) return undefined
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: trainingEnvironment(),
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  let heard = false
  for (const stop of STOPS)
    process.on(stop, () => {
      if (heard || !child.connected) child.kill('SIGKILL')
      else child.send(stop)
      heard = true
    })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) =>
    child.on('exit', (...end) => resolve(end)).on('error', reject),
  )
  if (heard && signal) return 130
  if (signal === 'SIGKILL')
    throw new UserError(
      'the process that trains was killed by somebody, or it ran out of memory. --recompute, --offload-optimizer and ' +
        'a smaller --micro-tokens need less; go on with --resume',
    )
  if (signal) process.kill(process.pid, signal) // as it ended, so do we
  return code ?? 1
}

/** Calls `hear` when the user wants to stop. @returns what takes that back */
export function onStop(hear: (signal: (typeof STOPS)[number]) => void): () => void {
  if (!process.channel || process.env.GLIBC_TUNABLES !== TUNABLES) {
    for (const stop of STOPS) process.on(stop, hear)
    return () => {
      for (const stop of STOPS) process.off(stop, hear)
    }
  }
  // Ctrl-C goes to the whole group, and the first process decides. Where that one is killed, nothing more is to be written.
  const [ignore, leave] = [() => {}, () => process.exit(1)]
  for (const stop of STOPS) process.on(stop, ignore)
  process.on('message', hear).on('disconnect', leave)
  process.channel.unref()
  return () => {
    for (const stop of STOPS) process.off(stop, ignore)
    process.off('message', hear).off('disconnect', leave)
  }
}
