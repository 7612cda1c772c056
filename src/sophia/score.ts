/**
 * From judged responses to a result: pass@1 with its 95% interval, whole and by group, and what went wrong how often.
 * Only counts are kept, so memory does not grow with the rows, but for one number a problem.
 */
import type { Extraction } from './grade.ts'
import { errorOf, idOf, type Row, type Verdict } from './rows.ts'

/** What eval adds to a problem: the model's answer and how it was judged. */
export interface Response {
  /** 0 … samples-1 */
  index: number
  text: string
  tokens: number
  finish: 'stop' | 'length'
  model: string
  verdict: Verdict
  /** The answer as an LLM read it out of the text, where one did. */
  extraction?: Extraction
}

/** Accuracy in percent with its 95% interval, over `n` problems. */
export interface Accuracy {
  accuracy: number
  ci95: [low: number, high: number]
  n: number
}

export interface Result extends Accuracy {
  samples: number
  errors: number
  /** Keys of the problem (answer_type, subject, …) → value → accuracy. */
  by: Record<string, Record<string, Accuracy>>
  /** verdict.reason → share of the responses, in percent. */
  reasons: Record<string, number>
  /** Tokens of a response. */
  tokens: { mean: number; max: number }
}

/** Problem keys that results are broken down by, where a problem has them. */
const GROUPS = ['answer_type', 'source', 'subject', 'level', 'language'] as const

interface Counts {
  right: number
  samples: number
}

export class Score {
  private readonly problems = new Map<string, Counts & { groups: string[] }>()
  private readonly reasons = new Map<string, number>()
  private responses = 0
  private tokens = 0
  private longest = 0
  private errors = 0

  /** Counts a row of eval's output. */
  add(row: Row): void {
    const response = row.response as Response | null | undefined
    if (errorOf(row) || !response?.verdict) {
      this.errors++
      return
    }
    const { verdict, tokens } = response
    const id = idOf(row)
    let problem = this.problems.get(id)
    if (!problem) {
      const groups = GROUPS.filter(key => row[key] !== undefined && row[key] !== null).map(key => `${key}\0${row[key]}`)
      problem = { right: 0, samples: 0, groups }
      this.problems.set(id, problem)
    }
    problem.right += verdict.reward
    problem.samples++
    this.responses++
    this.tokens += tokens
    this.longest = Math.max(this.longest, tokens)
    this.reasons.set(verdict.reason, (this.reasons.get(verdict.reason) ?? 0) + 1)
  }

  result(): Result {
    const groups = new Map<string, Counts[]>()
    for (const problem of this.problems.values()) {
      for (const group of problem.groups) groups.set(group, [...(groups.get(group) ?? []), problem])
    }
    const by: Result['by'] = {}
    for (const [group, problems] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [key, value] = group.split('\0')
      by[key] = { ...by[key], [value]: accuracyOf(problems) }
    }
    const shares = [...this.reasons].sort(([, a], [, b]) => b - a)
    return {
      ...accuracyOf([...this.problems.values()]),
      samples: this.problems.size === 0 ? 0 : Math.round(this.responses / this.problems.size),
      errors: this.errors,
      by,
      reasons: Object.fromEntries(shares.map(([reason, count]) => [reason, round((100 * count) / this.responses)])),
      tokens: { mean: round(this.tokens / Math.max(1, this.responses)), max: this.longest },
    }
  }
}

/**
 * pass@1: the mean over problems of the share of right samples. The interval is Wilson's (1927) where every problem has
 * one sample, else that of the mean of the problems' shares by the normal approximation.
 */
export function accuracyOf(problems: Counts[]): Accuracy {
  const n = problems.length
  if (n === 0) return { accuracy: 0, ci95: [0, 100], n }
  const shares = problems.map(({ right, samples }) => right / samples)
  const mean = shares.reduce((a, b) => a + b, 0) / n
  const [low, high] = problems.every(({ samples }) => samples === 1) ? wilson(mean, n) : normal(shares, mean)
  return { accuracy: round(100 * mean), ci95: [round(100 * low), round(100 * high)], n }
}

const Z = 1.959964

function wilson(p: number, n: number): [number, number] {
  const centre = (p + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n)
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2))
  return [centre - half, centre + half]
}

function normal(shares: number[], mean: number): [number, number] {
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / Math.max(1, shares.length - 1)
  const half = Z * Math.sqrt(variance / shares.length)
  return [Math.max(0, mean - half), Math.min(1, mean + half)]
}

const round = (x: number) => Math.round(x * 100) / 100

/** The result as a table for people. */
export function tableOf(result: Result): string {
  const line = (name: string, { accuracy, ci95, n }: Accuracy) =>
    `${name.padEnd(28)} ${accuracy.toFixed(1).padStart(6)}  [${ci95.map(x => x.toFixed(1)).join(', ')}]  n=${n}`
  const groups = Object.entries(result.by).flatMap(([key, values]) => [
    key,
    ...Object.entries(values).map(([value, accuracy]) => line(`  ${value}`, accuracy)),
  ])
  const reasons = Object.entries(result.reasons).map(([reason, share]) => `${reason} ${share.toFixed(1)}%`)
  const { mean, max } = result.tokens // 0 where answers came without their tokens
  const tail = [...reasons, ...(max > 0 ? [`${mean.toFixed(0)} tokens a response (at most ${max})`] : [])].join(' · ')
  return [
    line('pass@1', result),
    ...groups,
    tail,
    ...(result.errors ? [`${result.errors} rows carry an error`] : []),
  ].join('\n')
}
