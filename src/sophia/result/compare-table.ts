/** A comparison as a table for people. */
import type { Comparison, Difference } from './compare.ts'

const NAME = 32
const MOST = 24

export function comparisonTable(comparison: Comparison): string {
  const { files, counts, by, warnings } = comparison
  const file = (name: 'a' | 'b') => {
    const { path, models, problems, unpaired, errors } = files[name]
    const whose = models.length > 0 ? ` (${models.slice(0, 3).join(', ')}${models.length > 3 ? ', …' : ''})` : ''
    const failed = errors > 0 ? `, ${errors} rows with an error` : ''
    return `${name.toUpperCase()}  ${path}${whose}: ${problems} problems, ${unpaired} of them not in the other${failed}`
  }
  const sections = Object.entries(by).filter(([, values]) => Object.keys(values).length <= MOST)
  return [
    file('a'),
    file('b'),
    ...warnings.map(warning => `warning: ${warning}`),
    '',
    `${' '.repeat(NAME)}   A %   B %   B - A  95% interval           n`,
    line('paired', comparison),
    ...sections.flatMap(([key, values]) => [
      key,
      ...Object.entries(values).map(([value, difference]) => line(`  ${value}`, difference)),
    ]),
    '',
    `A ${interval(comparison.a.ci95)}, B ${interval(comparison.b.ci95)} alone`,
    `gained ${counts.gained} (wrong in A, right in B) · lost ${counts.lost} · both right ${counts.bothRight} · both wrong ${counts.bothWrong}`,
    verdict(comparison),
    resampled(comparison),
  ].join('\n')
}

function line(name: string, { a, b, difference, ci95, n }: Difference): string {
  const label = name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name.padEnd(NAME)
  return `${label} ${one(a.accuracy)} ${one(b.accuracy)}  ${signed(difference)}  [${signed(ci95[0])}, ${signed(ci95[1])}] ${String(n).padStart(7)}`
}

const one = (x: number) => x.toFixed(1).padStart(5)
const signed = (x: number) => `${x < 0 ? '-' : '+'}${Math.abs(x).toFixed(1)}`.padStart(6)
const interval = ([low, high]: [number, number]) => `[${low.toFixed(1)}, ${high.toFixed(1)}]`

function verdict({ mcnemar }: Comparison): string {
  if (!mcnemar) return "McNemar's test is for one response a problem: see the bootstrap interval"
  const { test, p, statistic } = mcnemar
  const value = statistic === undefined ? '' : `, χ² = ${statistic.toFixed(2)}`
  return `McNemar's test (${test}${value}): p = ${p < 1e-4 ? p.toExponential(1) : p.toFixed(4)}`
}

function resampled({ bootstrap: { resamples, seed, over, clusters } }: Comparison): string {
  return `intervals of B - A: paired bootstrap over ${clusters} ${over}, ${resamples.toLocaleString('en')} resamples, seed ${seed}`
}
