/**
 * propagate, Eq. 5 and 6: the reward of the thought flows back to the picture's description, and from there to the one
 * trajectory per question that the policy is to learn.
 */
import { byProblem } from '../io/windows.ts'
import { type Credit, captionOf, errorOf, extend, fail, type Row, type Trajectory, type Verdict } from './rows.ts'

export interface PropagateOptions {
  /** α: a caption counts if R(c) > α. */
  alpha: number
  /** How many trajectories of a problem are rewarded, the shortest first; 0: all. */
  keep: number
}

/** Adds `credit` to each row. The rows of a problem stand together; one problem is held in memory at a time. */
export async function* propagate(
  rows: AsyncIterable<Row> | Iterable<Row>,
  options: PropagateOptions,
): AsyncGenerator<Row> {
  for await (const problem of byProblem(singly(rows))) yield* credit(problem, options)
}

/** The rows of one problem, each with its credit. Rows with an error pass and are not counted. */
export function credit(problem: Row[], { alpha, keep }: PropagateOptions): Row[] {
  const captions = new Map<number, { right: number; count: number }>()
  for (const row of problem) {
    const verdict = verdictOf(row)
    if (!verdict) continue
    const index = captionIndex(row)
    const outcome = captions.get(index) ?? { right: 0, count: 0 }
    captions.set(index, outcome)
    outcome.right += verdict.reward
    outcome.count++
  }
  const visual = (row: Row) => {
    const { right, count } = captions.get(captionIndex(row))!
    return right / count // Eq. 5
  }
  const kept = problem
    .filter(row => verdictOf(row)?.reward === 1 && visual(row) > alpha)
    .sort(shorter)
    .slice(0, keep || undefined)
  const rewarded = new Set(kept)
  return problem.map(row => {
    if (errorOf(row)) return row
    if (!verdictOf(row)) return fail(row, 'propagate', 'no-verdict', 'expected a verdict, got none: run reward first')
    return extend(row, 'credit', { caption: visual(row), reward: rewarded.has(row) ? 1 : 0 } satisfies Credit) // Eq. 6
  })
}

/** By tokens; the same length by caption, then by trajectory. */
function shorter(a: Row, b: Row): number {
  const [x, y] = [a.trajectory as Trajectory | undefined, b.trajectory as Trajectory | undefined]
  return (x?.tokens ?? 0) - (y?.tokens ?? 0) || captionIndex(a) - captionIndex(b) || (x?.index ?? 0) - (y?.index ?? 0)
}

function verdictOf(row: Row): Verdict | undefined {
  return errorOf(row) ? undefined : ((row.verdict as Verdict | null | undefined) ?? undefined)
}

function captionIndex(row: Row): number {
  return captionOf(row)?.index ?? 0
}

async function* singly(rows: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<Row[]> {
  for await (const row of rows) yield [row]
}
