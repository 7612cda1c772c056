/** A file of eval's rows as one side of a comparison: what it holds of each problem, never the responses' text. */
import { UserError } from '../../errors.ts'
import type { Format } from '../../io/formats.ts'
import { readRows } from '../../io/source.ts'
import { errorOf, idOf, questionOf, type Row } from '../rows.ts'
import type { Response } from '../score.ts'
import { type GroupKey, groupsOf } from './groups.ts'

/** A problem's responses, each by its place in the lists. */
export interface Answers {
  rewards: number[]
  answers: (string | null)[]
  reasons: string[]
  indices: number[]
  question: string
  gold: unknown
  by: Partial<Record<GroupKey, string>>
  /** The seed question that it is a variant of. */
  group?: string
}

export interface Side {
  path: string
  problems: Map<string, Answers>
  /** Rows that carry an error: no response. */
  errors: number
  models: string[]
  /** Who judged, where the verdicts say so. */
  judges: string[]
  sources: string[]
}

/** @throws UserError where no row of `path` holds a judged response */
export async function readSide(path: string, from?: Format): Promise<Side> {
  const problems = new Map<string, Answers>()
  const [models, judges, sources] = [new Set<string>(), new Set<string>(), new Set<string>()]
  let errors = 0
  let rows = 0
  for await (const row of readRows(path, from)) {
    rows++
    const response = row.response as Partial<Response> | null | undefined
    if (errorOf(row)) errors++
    else if (response?.verdict) {
      const { verdict, index = 0, model } = response
      const held = problems.get(idOf(row)) ?? begin(row)
      problems.set(idOf(row), held)
      held.rewards.push(verdict.reward)
      held.answers.push(verdict.answer)
      held.reasons.push(verdict.reason)
      held.indices.push(index)
      if (model) models.add(model)
      if (verdict.judge) judges.add(verdict.judge)
      if (held.by.source) sources.add(held.by.source)
    }
  }
  if (problems.size === 0)
    throw new UserError(
      `${path}: expected rows of sophia eval, with a judged response, found none in ${rows} rows` +
        `${errors > 0 ? ` (${errors} carry an error)` : ''}. Saved answers are judged by sophia eval --responses ${path}`,
    )
  return { path, problems, errors, models: sorted(models), judges: sorted(judges), sources: sorted(sources) }
}

function begin(row: Row): Answers {
  const { group, answer: gold } = row
  const named = group === undefined || group === null || group === '' ? {} : { group: String(group) }
  const lists = { rewards: [], answers: [], reasons: [], indices: [] }
  return { ...lists, question: questionOf(row), gold, by: groupsOf(row), ...named }
}

const sorted = (names: Set<string>) => [...names].sort()
