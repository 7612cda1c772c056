/**
 * reward, Eq. 4: R(y) = 1 if the answer read out of the trajectory equals the golden one, else 0.
 * How answers are read and compared is `answers/`; which judge, the user says.
 */
import { type Judge, verify } from '../answers/verify.ts'
import { errorOf, extend, fail, type Row, type Verdict } from './rows.ts'

export interface RewardOptions {
  judge: Judge
  /** Which key holds the response: text, or an object with `text` and `finish`. */
  key: string
}

/** Adds `verdict` to each row. Rows with an error pass. */
export async function* reward(rows: AsyncIterable<Row> | Iterable<Row>, options: RewardOptions): AsyncGenerator<Row> {
  for await (const row of rows) yield errorOf(row) ? row : judge(row, options)
}

/** `row` with its verdict, or with an error where there is nothing to judge. */
export function judge(row: Row, { judge, key }: RewardOptions): Row {
  const response = row[key] as string | { text?: unknown; finish?: 'stop' | 'length' } | null | undefined
  const text = typeof response === 'string' ? response : response?.text
  if (typeof text !== 'string')
    return fail(
      row,
      'reward',
      `no-${key}`,
      `expected text, or an object with text, under ${key}, got ${kind(response)}`,
    )
  if (row.answer === undefined || row.answer === null)
    return fail(row, 'reward', 'no-answer', 'expected a golden answer under answer, got none')
  const finish = typeof response === 'string' ? undefined : response?.finish
  try {
    const problem = row as Row & { answer: unknown }
    return extend(row, 'verdict', verify(text, problem, judge, { finish }) satisfies Verdict)
  } catch (error) {
    return fail(row, 'reward', 'verifier', `the verifier broke down on this row: ${(error as Error).message}`)
  }
}

function kind(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60)
}
