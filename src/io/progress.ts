/**
 * What people see on standard error while a stage runs: one moving line on a terminal, a plain line every ten seconds
 * elsewhere, nothing with --quiet.
 */
import type { Ora } from 'ora'
import type { Row } from './row.ts'

/** What an output row adds to the tally. */
export interface Tally {
  /** Tokens that were sampled for it. */
  tokens?: number
  /** 1: right, 0: wrong; left out where nothing was judged. */
  passed?: number
}

export type Meter = (row: Row) => Tally

export interface Progress {
  row(row: Row, meter?: Meter): void
  /** All rows so far were there already: rates count from here. */
  resumed(): void
  stop(): void
  /** A last line: how many rows, how many failed, how long. */
  summary(failed: number): void
}

const quietly: Progress = { row() {}, resumed() {}, stop() {}, summary() {} }

/** @param input tells how far the reading is, for the ETA */
export function startProgress(name: string, input: { fraction(): number | undefined }, quiet: boolean): Progress {
  if (quiet) return quietly
  // Without a width (a terminal of 0 columns) ora clears lines for ever.
  const terminal = process.stderr.isTTY === true && process.stderr.columns > 0
  const total = { rows: 0, tokens: 0, judged: 0, passed: 0 }
  let start = { time: performance.now(), rows: 0, tokens: 0, fraction: 0 }
  let spinner: Ora | undefined

  const line = () => {
    const seconds = (performance.now() - start.time) / 1000
    const parts = [
      `${name} ${total.rows.toLocaleString('en')} rows`,
      `${rate(total.rows - start.rows, seconds)} rows/s`,
    ]
    if (total.tokens > 0) parts.push(`${rate(total.tokens - start.tokens, seconds)} tokens/s`)
    if (total.judged > 0) parts.push(`pass ${((100 * total.passed) / total.judged).toFixed(1)}%`)
    const fraction = input.fraction()
    if (fraction !== undefined && fraction > start.fraction && fraction < 1) {
      parts.push(`ETA ${clock((seconds * (1 - fraction)) / (fraction - start.fraction))}`)
    }
    return parts.join(' · ')
  }
  const show = () => {
    if (!terminal) process.stderr.write(`${line()}\n`)
    else if (spinner) spinner.text = line()
  }
  const timer = setInterval(show, terminal ? 200 : 10_000)
  timer.unref()
  if (terminal) {
    import('ora').then(({ default: ora }) => {
      if (!stopped)
        spinner = ora({ text: line(), discardStdin: false, color: process.env.NO_COLOR ? false : 'cyan' }).start()
    })
  }
  let stopped = false
  return {
    row(row, meter) {
      total.rows++
      if (!meter) return
      const { tokens = 0, passed } = meter(row)
      total.tokens += tokens
      if (passed !== undefined) {
        total.judged++
        total.passed += passed
      }
    },
    resumed() {
      start = { time: performance.now(), rows: total.rows, tokens: total.tokens, fraction: input.fraction() ?? 0 }
    },
    stop() {
      stopped = true
      clearInterval(timer)
      spinner?.stop()
      spinner = undefined
    },
    summary(failed) {
      const seconds = (performance.now() - start.time) / 1000
      const errors = failed > 0 ? ` · ${failed.toLocaleString('en')} rows carry an error` : ''
      process.stderr.write(`${line()}${errors} · ${clock(seconds)}\n`)
    },
  }
}

function rate(count: number, seconds: number): string {
  const value = count / Math.max(seconds, 1e-3)
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

/** Seconds as 7 s, 3:20 or 1:05:00. */
function clock(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const pad = (n: number) => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`
}
