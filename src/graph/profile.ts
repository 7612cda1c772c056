/**
 * Where a session's time goes, node by node, out of ONNX Runtime's own profile. A node is named after the module whose
 * weight it uses, where it has one. Left out: what a device does behind a kernel that has returned.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface NodeTime {
  node: string
  op: string
  /** CPUExecutionProvider, CUDAExecutionProvider, … */
  provider: string
  calls: number
  seconds: number
}

export interface Profile {
  /** For sessions' `profile`: each writes a file that begins so when it is closed. */
  prefix: string
  /** The dearest nodes of all sessions that were closed by now, as a table for people; the files are removed. */
  table(): string
}

/** Nodes that hold graphs of nodes, which are counted themselves. */
const HOLDERS = new Set(['Loop', 'If', 'Scan'])
const SHOWN = 10

export function openProfile(): Profile {
  const folder = mkdtempSync(join(tmpdir(), 'sophia-profile-'))
  return {
    prefix: join(folder, 'session'),
    table() {
      const texts = readdirSync(folder).map(file => readFileSync(join(folder, file), 'utf8'))
      rmSync(folder, { recursive: true })
      return tableOf(texts.flatMap(eventsOf))
    },
  }
}

interface Event {
  cat: string
  name: string
  /** Microseconds. */
  dur: number
  args: { op_name?: string; provider?: string }
}

/** A profile is a JSON array; that of a process that was killed has no end. */
function eventsOf(text: string): Event[] {
  try {
    return JSON.parse(text) as Event[]
  } catch {
    const lines = text.split('\n').filter(line => line.startsWith('{') && /\},?$/.test(line.trim()))
    return lines.map(line => JSON.parse(line.replace(/,\s*$/, '')) as Event)
  }
}

/** Times by node, the dearest first. */
export function timesOf(events: Event[]): NodeTime[] {
  const times = new Map<string, NodeTime>()
  for (const { cat, name, dur, args } of events) {
    const { op_name: op, provider = '' } = args
    if (cat !== 'Node' || !op || HOLDERS.has(op) || !name.endsWith('_kernel_time')) continue
    const node = name.slice(0, -'_kernel_time'.length)
    const key = `${op} ${node}`
    const time = times.get(key) ?? { node, op, provider, calls: 0, seconds: 0 }
    time.calls++
    time.seconds += dur / 1e6
    times.set(key, time)
  }
  return [...times.values()].sort((a, b) => b.seconds - a.seconds)
}

/** On a device: the operators that ran on the CPU, for want of a kernel or because they only make sizes. */
function elsewhere(times: NodeTime[]): string[] {
  if (times.every(({ provider }) => provider === 'CPUExecutionProvider')) return []
  const nodes = new Map<string, number>()
  for (const { op, provider } of times) if (provider === 'CPUExecutionProvider') nodes.set(op, (nodes.get(op) ?? 0) + 1)
  const names = [...nodes].sort(([, a], [, b]) => b - a).map(([op, count]) => `${op} (${count})`)
  return [`on the CPU: ${names.join(', ') || 'nothing'}`]
}

function tableOf(events: Event[]): string {
  const times = timesOf(events)
  const total = times.reduce((sum, { seconds }) => sum + seconds, 0)
  const copies = times.filter(({ op }) => /^Memcpy/.test(op)).length
  const count = times.reduce((sum, { calls }) => sum + calls, 0)
  const line = ({ node, op, calls, seconds }: NodeTime) =>
    `${((100 * seconds) / total).toFixed(1).padStart(5)}%  ${seconds.toFixed(3).padStart(9)} s  ${String(calls).padStart(8)}  ${op.padEnd(26)} ${node}`
  return [
    `profile: ${total.toFixed(2)} s in ${count.toLocaleString('en')} kernels of ${times.length} nodes, ${copies} of them Memcpy`,
    `share         time     calls  op                         node`,
    ...times.slice(0, SHOWN).map(line),
    ...elsewhere(times),
    '',
  ].join('\n')
}
