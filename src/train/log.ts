/** One JSON line a step, on standard output or in a file, and a word for people on standard error now and then. */

import { createWriteStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'

export interface StepLine {
  step: number
  /** 1 for the first pass over the rows. */
  epoch: number
  /** Eq. 7 over the step's batch, before the step. */
  loss: number
  lr: number
  /** Before clipping. */
  grad_norm: number
  /** Learnt tokens of the step. */
  tokens: number
  /** All tokens, prompts and pictures too, a second. */
  tokens_per_second: number
  /** Mean natural log-probability of a learnt token, before the step. */
  logprob: number
  /** ‖θ − θ₀‖ / ‖θ₀‖ after the step: in the first, in every tenth and in the last. */
  drift?: number
  /** Share of positions that were padding. */
  padding: number
  seconds: number
  /** Where the loss is scaled: by what in this step, and whether the step was skipped because its gradient overflowed. */
  scale?: number
  skipped?: true
}

export interface Log {
  write(line: StepLine): Promise<void>
  close(): Promise<void>
}

/** Opens the log. In a file, lines after step `from` (of a run that was cut off) are dropped. */
export function openLog(path: string | undefined, from: number): Log {
  if (path !== undefined && path !== '-') writeFileSync(path, linesUpTo(path, from))
  const out: Writable = path === undefined || path === '-' ? process.stdout : createWriteStream(path, { flags: 'a' })
  return {
    async write(line) {
      if (!out.write(`${JSON.stringify(rounded(line))}\n`)) await new Promise(done => out.once('drain', done))
    },
    async close() {
      if (out === process.stdout) return
      out.end()
      await finished(out)
    },
  }
}

function linesUpTo(path: string, step: number): string {
  if (step === 0 || !existsSync(path)) return ''
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => stepOf(line) <= step)
  return kept.map(line => `${line}\n`).join('')
}

function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as StepLine).step
  } catch {
    return Number.POSITIVE_INFINITY // empty or torn
  }
}

/** Six significant digits: what float32 has. */
const rounded = (line: StepLine) =>
  Object.fromEntries(
    Object.entries(line).map(([key, value]) => [
      key,
      typeof value === 'boolean' || Number.isInteger(value) ? value : Number((value as number).toPrecision(6)),
    ]),
  )

/** Tells people how far it is: every `seconds`, and nothing when quiet. */
export function startNews(steps: number, quiet: boolean, seconds = 10): (line: StepLine) => void {
  const started = performance.now()
  let [told, first] = [started, 0]
  return line => {
    first ||= line.step
    const now = performance.now()
    if (quiet || (now - told < seconds * 1000 && line.step < steps)) return
    told = now
    const each = (now - started) / (line.step - first + 1)
    const left = Math.round((each * (steps - line.step)) / 1000)
    const parts = [
      `train step ${line.step}/${steps}`,
      `loss ${line.loss.toFixed(3)}`,
      ...(line.skipped ? ['skipped: the gradient overflowed'] : []),
      `${Math.round(line.tokens_per_second).toLocaleString('en')} tokens/s`,
      ...(left > 0 ? [`ETA ${left >= 60 ? `${Math.floor(left / 60)} min ` : ''}${left % 60} s`] : []),
    ]
    process.stderr.write(`${parts.join(' · ')}\n`)
  }
}
