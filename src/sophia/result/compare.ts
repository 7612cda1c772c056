/**
 * Two runs of eval on the same problems, pair by pair: how far apart, how sure of it, and which items flipped. The
 * pairs take the problems' own difficulty out of the difference, which two intervals side by side cannot.
 */
import { UserError } from '../../errors.ts'
import type { Row } from '../rows.ts'
import { type Accuracy, accuracyOf, percent } from '../score.ts'
import { byName, GROUPS, grouped } from './groups.ts'
import type { Answers, Side } from './paired.ts'
import { bootstrap, type Cluster, type McNemar, mcnemar } from './statistics.ts'

/** B less A over the pairs, in points of percent, with its paired bootstrap interval. */
export interface Difference {
  a: Accuracy
  b: Accuracy
  difference: number
  ci95: [low: number, high: number]
  n: number
}

export interface Comparison extends Difference {
  files: Record<'a' | 'b', { path: string; models: string[]; problems: number; unpaired: number; errors: number }>
  /** Only where every problem has one response on either side. */
  mcnemar?: McNemar
  counts: { gained: number; lost: number; bothRight: number; bothWrong: number }
  by: Record<string, Record<string, Difference>>
  bootstrap: { resamples: number; seed: number; over: 'problems' | 'groups'; clusters: number }
  warnings: string[]
}

export interface CompareOptions {
  resamples: number
  seed: number
}

interface Pair {
  id: string
  a: Answers
  b: Answers
}

/** The numbers. @throws UserError where the two have no problem in common */
export function compare(a: Side, b: Side, options: CompareOptions): Comparison {
  const pairs = pairsOf(a, b)
  const single = pairs.every(pair => pair.a.rewards.length === 1 && pair.b.rewards.length === 1)
  const counts = { gained: 0, lost: 0, bothRight: 0, bothWrong: 0 }
  for (const pair of pairs) counts[kindOf(pair)]++
  const side = ({ path, models, problems, errors }: Side) => ({
    ...{ path, models, problems: problems.size, unpaired: problems.size - pairs.length, errors },
  })
  return {
    files: { a: side(a), b: side(b) },
    ...differenceOf(pairs, options),
    ...(single && { mcnemar: mcnemar(counts.lost, counts.gained) }),
    counts,
    by: broken(pairs, options),
    bootstrap: {
      ...options,
      over: pairs.some(pair => pair.a.group !== undefined) ? 'groups' : 'problems',
      clusters: clustersOf(pairs).length,
    },
    warnings: warningsOf(a, b, pairs),
  }
}

/** A row for each problem that changed sides; with several samples a problem is right where half of them are. */
export function* flips(a: Side, b: Side): Generator<Row> {
  for (const pair of pairsOf(a, b)) {
    const kind = kindOf(pair)
    if (kind !== 'gained' && kind !== 'lost') continue
    const { question, gold, by } = pair.a
    const { subject, level } = by
    const told = ({ rewards, answers, reasons }: Answers) => ({
      ...{ right: rewards.filter(reward => reward === 1).length, of: rewards.length, answers, reasons },
    })
    yield {
      ...{ id: pair.id, flip: kind, subject, level, question: question || pair.b.question, answer: gold },
      ...{ from: told(pair.a), to: told(pair.b) },
    }
  }
}

function pairsOf(a: Side, b: Side): Pair[] {
  const pairs: Pair[] = []
  for (const [id, answers] of a.problems) {
    const other = b.problems.get(id)
    if (other) pairs.push({ id, a: answers, b: other })
  }
  if (pairs.length > 0) return pairs
  const first = ({ path, problems }: Side) =>
    `${path} has ${problems.size} ids, the first is ${[...problems.keys()][0]}`
  throw new UserError(`expected answers to the same problems, found no id in common: ${first(a)}; ${first(b)}`)
}

const share = ({ rewards }: Answers) => rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length

function kindOf({ a, b }: Pair): keyof Comparison['counts'] {
  const [before, after] = [share(a) >= 0.5, share(b) >= 0.5]
  return before === after ? (before ? 'bothRight' : 'bothWrong') : after ? 'gained' : 'lost'
}

function differenceOf(pairs: Pair[], { resamples, seed }: CompareOptions): Difference {
  const [a, b] = [accuracyOf(pairs.map(pair => share(pair.a))), accuracyOf(pairs.map(pair => share(pair.b)))]
  const clusters = clustersOf(pairs)
  const mean = clusters.reduce((sum, cluster) => sum + cluster.sum, 0) / pairs.length
  const [low, high] = bootstrap(clusters, resamples, seed)
  return { a, b, difference: percent(mean), ci95: [percent(low), percent(high)], n: pairs.length }
}

/** Variants of one question are drawn together: they are no independent evidence. */
function clustersOf(pairs: Pair[]): Cluster[] {
  const groups = grouped(pairs, ({ id, a }) => (a.group === undefined ? `id ${id}` : `group ${a.group}`))
  return [...groups.values()].map(held => ({
    sum: held.reduce((sum, { a, b }) => sum + share(b) - share(a), 0),
    count: held.length,
  }))
}

function broken(pairs: Pair[], options: CompareOptions): Comparison['by'] {
  const by: Comparison['by'] = {}
  for (const key of GROUPS) {
    const groups = grouped(pairs, ({ a, b }) => a.by[key] ?? b.by[key])
    if (groups.size < 2) continue
    by[key] = Object.fromEntries([...groups].sort(byName).map(([value, held]) => [value, differenceOf(held, options)]))
  }
  return by
}

/** Reasons to doubt that the two files can be compared at all. */
function warningsOf(a: Side, b: Side, pairs: Pair[]): string[] {
  const warnings: string[] = []
  const differ = (x: string[], y: string[]) => x.length > 0 && y.length > 0 && x.join() !== y.join()
  if (differ(a.sources, b.sources))
    warnings.push(`the problems are of different benchmarks: ${a.sources.join(', ')} and ${b.sources.join(', ')}`)
  if (differ(a.judges, b.judges)) warnings.push(`the judges differ: ${a.judges.join(', ')} and ${b.judges.join(', ')}`)
  const golds = pairs.filter(pair => textOf(pair.a.gold) !== textOf(pair.b.gold)).length
  if (golds > 0) warnings.push(`${golds} problems have another golden answer in B`)
  const torn = pairs.filter(judgedTwoWays).length
  if (torn > 0) warnings.push(`${torn} problems have the same answer in both, judged differently: two judges?`)
  for (const { path, problems, models } of [a, b]) {
    const twice = [...problems.values()].filter(({ indices }) => new Set(indices).size < indices.length).length
    const whose = models.length > 1 ? ` (${models.length} models)` : ''
    if (twice > 0)
      warnings.push(`${path}: ${twice} problems have several responses of the same index${whose}: averaged`)
  }
  return warnings
}

/** 3 and "3" are one: Parquet gives a column one type. */
const textOf = (gold: unknown) => (typeof gold === 'string' ? gold : JSON.stringify(gold))

function judgedTwoWays({ a, b }: Pair): boolean {
  const plain = (reason: string) => reason === 'right' || reason === 'wrong'
  return a.answers.some((answer, i) =>
    b.answers.some(
      (other, j) =>
        answer !== null &&
        answer === other &&
        plain(a.reasons[i]) &&
        plain(b.reasons[j]) &&
        a.rewards[i] !== b.rewards[j],
    ),
  )
}
