/** How long responses are, exactly: one number a response is kept. And which of them are an answer at all. */
import { quantile } from './statistics.ts'

export interface Spread {
  mean: number
  median: number
  p90: number
  max: number
}

/** All responses, and the right and the wrong ones, where there are any. */
export interface LengthsOf extends Spread {
  right?: Spread
  wrong?: Spread
}

export class Lengths {
  private readonly right: number[] = []
  private readonly wrong: number[] = []

  add(length: number, right: boolean): void {
    ;(right ? this.right : this.wrong).push(length)
  }

  result(): LengthsOf {
    const { right, wrong } = this
    const all = spreadOf([...right, ...wrong])
    if (all.max === 0) return all
    return {
      ...all,
      ...(right.length > 0 && { right: spreadOf(right) }),
      ...(wrong.length > 0 && { wrong: spreadOf(wrong) }),
    }
  }
}

function spreadOf(lengths: number[]): Spread {
  if (lengths.length === 0) return { mean: 0, median: 0, p90: 0, max: 0 }
  const sorted = Float64Array.from(lengths).sort()
  const mean = sorted.reduce((sum, length) => sum + length, 0) / sorted.length
  return {
    mean: round(mean),
    median: round(quantile(sorted, 0.5)),
    p90: round(quantile(sorted, 0.9)),
    max: sorted[sorted.length - 1],
  }
}

const round = (x: number) => Math.round(x * 100) / 100

/** What inference scripts write where a service refused or broke down; OlympiadBench's own leave them out by these. */
const REFUSALS = ['<Inappropriate content in response>', '<No response>']

/** Whether the model gave an answer, right or wrong: not nothing, not a refusal, not a failure of its service. */
export function answered(text: string | null | undefined): boolean {
  if (!text || text.trim() === '' || REFUSALS.includes(text)) return false
  return !(text.includes('code:') && text.includes('message:'))
}
