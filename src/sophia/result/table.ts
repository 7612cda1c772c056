/** The result as a table for people, some 80 columns wide. */
import type { Accuracy, Both, Result } from '../score.ts'
import type { Spread } from './lengths.ts'

/** Keys with more values than this are left to --summary. */
const MOST = 24

/** Which denominator the benchmark's own authors take. */
export interface Official {
  denominator: 'all' | 'answered'
  benchmark: string
}

/** Names of models, or of judges by rule. */
export interface Who {
  judge: string
  extractor: string
}

/** @param who read answers out of responses, and said what is right */
export function tableOf(result: Result, official?: Official, who?: Who): string {
  if (result.n === 0) return 'no problems came in: there is nothing to score'
  const differ = result.answered.n !== result.n // else the two denominators are one
  const star = (which: 'all' | 'answered') => (official?.denominator === which ? ' *' : '')
  const head = [
    line(differ ? `pass@1 over all problems${star('all')}` : 'pass@1', result),
    ...(differ ? [line(`pass@1 over those answered${star('answered')}`, result.answered)] : []),
    ...Object.entries(result.passAt ?? {})
      .filter(([k]) => k !== '1')
      .map(([k, accuracy]) => line(`pass@${k}`, accuracy)),
    ...(result.groups
      ? [line('groups all right', result.groups.worst), line('groups, mean', result.groups.average)]
      : []),
    ...(result.steps ? [`${'steps right'.padEnd(NAME)} ${one(result.steps.rate)}%  ${stepsOf(result.steps)}`] : []),
  ]
  const groups = Object.entries(result.by).filter(([, values]) => shown(values))
  return [
    `${' '.repeat(NAME)} ${'acc %'}  ${'95% interval'.padEnd(14)} ${'n'.padStart(7)}${differ ? '   answered: acc %    n' : ''}`,
    ...head,
    ...groups.flatMap(([key, values]) => [
      key,
      ...Object.entries(values).map(([value, both]) => groupLine(`  ${value}`, both, differ)),
    ]),
    '',
    ...(who ? [`answers read by ${who.extractor}, judged by ${who.judge}`] : []),
    ...tail(result, official, differ),
  ].join('\n')
}

/** Not worth a section: one value for all, or a list nobody reads. */
function shown(values: Record<string, Both>): boolean {
  const count = Object.keys(values).length
  return count > 1 && count <= MOST
}

const NAME = 32
const one = (x: number) => x.toFixed(1).padStart(5)

function line(name: string, { accuracy, ci95: [low, high], n }: Accuracy): string {
  const label = name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name.padEnd(NAME)
  return `${label} ${one(accuracy)}  [${one(low)}, ${one(high)}] ${String(n).padStart(7)}`
}

function groupLine(name: string, both: Both, differ: boolean): string {
  const { accuracy, n } = both.answered
  return `${line(name, both)}${differ ? `             ${one(accuracy)} ${String(n).padStart(4)}` : ''}`
}

const stepsOf = ({ right, of, problems }: NonNullable<Result['steps']>) =>
  `${right} of ${of}, in ${problems} problem${problems === 1 ? '' : 's'}`

function tail(result: Result, official: Official | undefined, differ: boolean): string[] {
  const { samples, responses, errors, unanswered, models } = result
  const reasons = Object.entries(result.reasons).map(([reason, share]) => `${reason} ${share.toFixed(1)}%`)
  if (result.cut > 0) reasons.push(`at --max-tokens ${result.cut.toFixed(1)}%`)
  const notes = [
    ...(responses === 0
      ? []
      : [`${responses} response${responses === 1 ? '' : 's'}: ${reasons.join(' · ')}`, ...lengthsOf(result)]),
  ]
  if (unanswered > 0) {
    const failed = errors > 0 ? ` (${errors} ${errors === 1 ? 'row carries' : 'rows carry'} an error)` : ''
    const [have, they] = unanswered === 1 ? ['problem has', 'it is'] : ['problems have', 'they are']
    notes.push(`${unanswered} ${have} no answer here${failed}: over all problems ${they} wrong`)
  } else if (errors > 0) notes.push(`${errors} ${errors === 1 ? 'row carries' : 'rows carry'} an error`)
  notes.push(`intervals: ${result.intervals}`)
  if (samples > 1) notes.push(`pass@1 is the mean of ${samples} samples; pass@k by the unbiased estimator`)
  if (official && differ) notes.push(`* what ${official.benchmark} reports: it ${DENOMINATORS[official.denominator]}`)
  if (models.length > 1)
    notes.push(
      `answers of ${models.length} models are counted as samples of one: ${models.slice(0, 4).join(', ')}${models.length > 4 ? ', …' : ''}`,
    )
  return notes
}

const DENOMINATORS = {
  all: 'counts no answer as a wrong one',
  answered: 'leaves out empty, refused and failed ones',
}

function lengthsOf({ tokens, characters }: Result): string[] {
  const unit = tokens.max > 0 ? 'tokens' : 'characters'
  const { right, wrong, ...all } = tokens.max > 0 ? tokens : characters
  const row = (name: string, spread: Spread) =>
    name.padEnd(12) + [spread.mean, spread.median, spread.p90, spread.max].map(x => x.toFixed(0).padStart(8)).join('')
  return [
    `${unit.padEnd(12)}    mean  median     p90     max`,
    row('  all', all),
    ...(right && wrong ? [row('  right', right), row('  wrong', wrong)] : []),
  ]
}
