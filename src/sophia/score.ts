/**
 * From judged responses to a result: pass@1 with its 95% interval, whole and by group, pass@k, what went wrong how
 * often, how long responses are. Kept are some counts a problem and two numbers a response, never a text.
 */
import type { Extraction } from './grade.ts'
import { byName, GROUPS, type GroupKey, grouped, groupsOf } from './result/groups.ts'
import { answered, Lengths, type LengthsOf } from './result/lengths.ts'
import { type Estimate, estimate, ladder, passAt } from './result/statistics.ts'
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

/** Accuracy over `n` problems with its standard error and 95% interval, in percent. */
export interface Accuracy {
  accuracy: number
  stderr: number
  ci95: [low: number, high: number]
  n: number
}

/** Over all problems, where no answer is a wrong answer; `answered`: over those that gave one. */
export interface Both extends Accuracy {
  answered: Accuracy
}

export interface Result extends Both {
  /** Responses to a problem, at most. */
  samples: number
  responses: number
  /** Rows that carry an error; problems without a response, for that or because no row is about them. */
  errors: number
  unanswered: number
  /** Who answered. */
  models: string[]
  /** pass@k by k, over all problems; where there are several samples. */
  passAt?: Record<string, Accuracy>
  /** Keys of the problem (subject, level, …) → value → accuracy. */
  by: Record<string, Record<string, Both>>
  /** Subject → level → accuracy, as MathVision reports too; where there are several of either. */
  levels?: Record<string, Record<string, Both>>
  /** Variants of one seed question: all of them right (`worst`), and the groups' mean. */
  groups?: { worst: Accuracy; average: Accuracy }
  /** Problems of several steps: right steps of all steps, in percent. */
  steps?: { rate: number; right: number; of: number; problems: number }
  /** verdict.reason → share of the responses, in percent. */
  reasons: Record<string, number>
  /** Share of the responses that ended at --max-tokens, in percent. */
  cut: number
  /** Of a response; zeros where saved answers came without their number. */
  tokens: LengthsOf
  characters: LengthsOf
  /** How the intervals were made. */
  intervals: string
}

interface Problem {
  right: number
  samples: number
  /** Those that are an answer at all. */
  answered: { right: number; samples: number }
  by: Partial<Record<GroupKey, string>>
  group?: string
}

export class Score {
  private readonly problems = new Map<string, Problem>()
  private readonly reasons = new Map<string, number>()
  private readonly models = new Set<string>()
  private readonly tokens = new Lengths()
  private readonly characters = new Lengths()
  private readonly steps = { right: 0, of: 0, problems: 0 }
  private responses = 0
  private cut = 0
  private errors = 0

  /** Says that `row` is a problem that was asked, whether a response to it comes or not. */
  expect(row: Row): void {
    this.problem(row)
  }

  /** Counts a row of eval's output. */
  add(row: Row): void {
    const response = row.response as Response | null | undefined
    const error = errorOf(row)
    if (error || !response?.verdict) {
      this.errors++
      if (error?.code !== 'no-problem') this.expect(row) // a stranger is no problem of the benchmark
      return
    }
    const { verdict, tokens, text, finish, model } = response
    const problem = this.problem(row)
    problem.right += verdict.reward
    problem.samples++
    if (answered(text)) {
      problem.answered.right += verdict.reward
      problem.answered.samples++
    }
    this.responses++
    if (finish === 'length') this.cut++
    if (model) this.models.add(model)
    this.tokens.add(tokens, verdict.reward === 1)
    this.characters.add(text?.length ?? 0, verdict.reward === 1)
    this.reasons.set(verdict.reason, (this.reasons.get(verdict.reason) ?? 0) + 1)
    const { steps } = verdict
    if (steps && steps.of > 0) {
      this.steps.right += steps.right
      this.steps.of += steps.of
      this.steps.problems++
    }
  }

  result(): Result {
    const problems = [...this.problems.values()]
    const samples = problems.reduce((most, problem) => Math.max(most, problem.samples), 0)
    const unanswered = problems.filter(problem => problem.samples === 0).length
    const shares = [...this.reasons].sort(([, a], [, b]) => b - a)
    const { right, of } = this.steps
    return {
      ...bothOf(problems),
      samples,
      responses: this.responses,
      errors: this.errors,
      unanswered,
      models: [...this.models].sort(),
      ...(samples > 1 && { passAt: passAtOf(problems, samples) }),
      by: broken(problems),
      ...crossed(problems),
      ...groupsResult(problems),
      ...(of > 0 && { steps: { rate: percent(right / of), ...this.steps } }),
      reasons: Object.fromEntries(shares.map(([reason, count]) => [reason, percent(count / this.responses)])),
      cut: percent(this.cut / Math.max(1, this.responses)),
      tokens: this.tokens.result(),
      characters: this.characters.result(),
      intervals:
        "95% over problems: Wilson's score interval where every problem counts 0 or 1, else the normal approximation",
    }
  }

  private problem(row: Row): Problem {
    const id = idOf(row)
    let problem = this.problems.get(id)
    if (!problem) {
      const { group } = row
      const named = group === undefined || group === null || group === '' ? {} : { group: String(group) }
      problem = { right: 0, samples: 0, answered: { right: 0, samples: 0 }, by: groupsOf(row), ...named }
      this.problems.set(id, problem)
    }
    return problem
  }
}

const share = ({ right, samples }: Problem['answered']) => (samples > 0 ? right / samples : 0)

/** pass@1: the mean over problems of the share of right samples. */
function bothOf(problems: Problem[]): Both {
  const given = problems.map(problem => problem.answered).filter(({ samples }) => samples > 0)
  return { ...accuracyOf(problems.map(share)), answered: accuracyOf(given.map(share)) }
}

/** A problem with fewer than k samples, but some, says nothing about k and is left out. */
function passAtOf(problems: Problem[], most: number): Record<string, Accuracy> {
  const at = (k: number) => {
    const enough = problems.filter(({ samples }) => samples === 0 || samples >= k)
    return accuracyOf(enough.map(({ samples, right }) => (samples === 0 ? 0 : passAt(k, samples, right))))
  }
  return Object.fromEntries(ladder(most).map(k => [k, at(k)]))
}

function broken(problems: Problem[]): Result['by'] {
  const by: Result['by'] = {}
  for (const key of GROUPS) {
    const values = accuraciesBy(problems, key)
    if (Object.keys(values).length > 0 && (key !== 'area' || values.geometry)) by[key] = values
  }
  return by
}

function crossed(problems: Problem[]): Pick<Result, 'levels'> {
  const subjects = grouped(problems, ({ by }) => by.subject)
  if (subjects.size < 2 || grouped(problems, ({ by }) => by.level).size < 2) return {}
  const entries = [...subjects].sort(byName).map(([subject, held]) => [subject, accuraciesBy(held, 'level')])
  return { levels: Object.fromEntries(entries) }
}

function accuraciesBy(problems: Problem[], key: GroupKey): Record<string, Both> {
  const groups = [...grouped(problems, ({ by }) => by[key])].sort(byName)
  return Object.fromEntries(groups.map(([value, held]) => [value, bothOf(held)]))
}

function groupsResult(problems: Problem[]): Pick<Result, 'groups'> {
  const members = grouped(problems, problem => problem.group)
  if (members.size === 0) return {}
  const groups = [...members.values()].map(variants => variants.map(share))
  const worst = accuracyOf(groups.map(shares => (shares.every(value => value === 1) ? 1 : 0)))
  const average = accuracyOf(groups.map(shares => shares.reduce((a, b) => a + b, 0) / shares.length))
  return { groups: { worst, average } }
}

/** The mean of values in 0 … 1, one a problem, in percent. */
export function accuracyOf(values: number[]): Accuracy {
  return inPercent(estimate(values))
}

function inPercent({ mean, stderr, ci95: [low, high], n }: Estimate): Accuracy {
  return { accuracy: percent(mean), stderr: percent(stderr), ci95: [percent(low), percent(high)], n }
}

/** To four decimals: an item in a million shows. */
export const percent = (share: number) => Math.round(share * 1e6) / 1e4
