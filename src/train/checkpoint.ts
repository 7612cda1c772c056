/**
 * A run that can be taken up: weights, moments, the step, the watch's memory, and the settings that all of it depends
 * on. A checkpoint is a folder `step-N` that appears whole, by rename; the one before it is removed only then, so the
 * last good one is always there. The data position follows from the step and the seed (batches.ts).
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { loadTensor, readSafetensors, tensorOf, writeSafetensors } from '../models/safetensors.ts'
import type { MomentFile } from './moments.ts'
import type { Scaler } from './scaler.ts'
import type { State } from './state.ts'
import type { WatchState } from './watch.ts'

/** Everything that a run's weights depend on, by the name that the user knows it by. */
export type Settings = Record<string, unknown>

export interface Saved {
  state: State
  watch: WatchState
}

const KINDS = ['weights', 'first', 'second'] as const

/** Where the checkpoints of a run that writes `out` lie. */
export const runFolder = (out: string) => `${out.replace(/\/+$/, '')}.part`

export async function saveCheckpoint(folder: string, { state, watch }: Saved, settings: Settings): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const name = `step-${String(state.step).padStart(8, '0')}`
  const [growing, path] = [join(folder, `${name}.tmp`), join(folder, name)]
  rmSync(growing, { recursive: true, force: true })
  mkdirSync(growing)
  const tensors = KINDS.flatMap(kind => [
    ...[...state[kind]].map(([key, tensor]) => [`${kind}/${key}`, tensorOf(tensor)] as const),
    ...(kind === 'weights' || !state.offloaded ? [] : [...state.offloaded[kind]].map(([key, { place }]) => [`${kind}/${key}`, place] as const)), // biome-ignore format: one thought
  ])
  await writeSafetensors(join(growing, 'state.safetensors'), new Map(tensors), folder)
  writeFileSync(
    join(growing, 'state.json'),
    `${JSON.stringify({ step: state.step, scaler: state.scaler, watch, settings }, null, 2)}\n`,
  )
  rmSync(path, { recursive: true, force: true })
  renameSync(growing, path)
  for (const other of readdirSync(folder)) {
    if (/^step-\d+/.test(other) && other !== name) rmSync(join(folder, other), { recursive: true, force: true })
  }
}

/** The newest whole checkpoint in `folder`, or undefined where there is none. */
export function newestCheckpoint(folder: string): string | undefined {
  const names = existsSync(folder) ? readdirSync(folder).filter(name => /^step-\d+$/.test(name)) : []
  const newest = names.sort().at(-1)
  return newest && join(folder, newest)
}

/**
 * What the checkpoint `path` holds.
 *
 * @param offloaded takes the moments, where they are not to be held in memory
 * @throws UserError where the run was started with other settings
 */
export async function loadCheckpoint(path: string, settings: Settings, offloaded?: MomentFile): Promise<Saved> {
  const saved = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as {
    step: number
    scaler?: Scaler
    watch: WatchState
    settings: Settings
  }
  compare(saved.settings, JSON.parse(JSON.stringify(settings)), path)
  const { folder: real, tensors } = await readSafetensors(join(path, 'state.safetensors'))
  const { step, scaler } = saved
  const more = { ...(scaler && { scaler }), ...(offloaded && { offloaded }) }
  const state: State = { step, weights: new Map(), first: new Map(), second: new Map(), ...more }
  for (const [key, tensor] of tensors) {
    const [kind, ...rest] = key.split('/') as [(typeof KINDS)[number], ...string[]]
    const name = rest.join('/')
    if (offloaded && kind !== 'weights') await offloaded.load(kind, name, tensor, real)
    else state[kind].set(name, await loadTensor(tensor, real))
  }
  return { state, watch: saved.watch }
}

function compare(was: Settings, is: Settings, path: string): void {
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])]
  const other = keys.filter(key => JSON.stringify(was[key]) !== JSON.stringify(is[key]))
  if (other.length === 0) return
  const tell = (value: unknown) => JSON.stringify(value) ?? 'not given'
  const flag = (key: string) => `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
  const differences = other.map(key =>
    key === 'rows' ? 'its rows were others' : `${flag(key)} was ${tell(was[key])} and is ${tell(is[key])}`,
  )
  throw new UserError(
    `--resume: ${path} was made by a run with other settings: ${differences.join('; ')}. ` +
      'Give the same ones, or start anew without --resume',
  )
}
