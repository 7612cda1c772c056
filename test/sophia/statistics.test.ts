import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bootstrap, erfc, estimate, ladder, mcnemar, passAt, quantile } from '../../src/sophia/result/statistics.ts'

const test = suite('sophia: statistics, against scipy, statsmodels and numpy')
const golden = JSON.parse(readFileSync('fixtures/golden/stats/stats.json', 'utf8'))

const near = (got: number, want: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)), `${got} for ${want}`)

test("Wilson's interval and the standard error", () => {
  for (const { right, n, ci95, stderr } of golden.wilson) {
    const got = estimate(Array.from({ length: n }, (_, i) => (i < right ? 1 : 0)))
    near(got.mean, right / n)
    near(got.stderr, stderr)
    near(got.ci95[0], ci95[0], 1e-10)
    near(got.ci95[1], ci95[1], 1e-10)
  }
})

test('the normal approximation', () => {
  for (const { values, mean, stderr, ci95 } of golden.normal) {
    const got = estimate(values)
    near(got.mean, mean)
    near(got.stderr, stderr)
    near(got.ci95[0], ci95[0])
    near(got.ci95[1], ci95[1])
  }
})

test('no value at all says nothing', () => {
  assert.equal(estimate([]), { mean: 0, stderr: 0, ci95: [0, 1], n: 0 })
})

test("McNemar's test: exact below 25 discordant pairs, else chi-square", () => {
  for (const { lost, gained, exact, p, statistic } of golden.mcnemar) {
    const got = mcnemar(lost, gained)
    near(got.p, p)
    assert.is(got.test, exact ? 'exact binomial' : 'chi-square with continuity correction')
    if (!exact) near(got.statistic!, statistic)
    assert.equal(mcnemar(gained, lost).p, got.p)
  }
  assert.is(mcnemar(0, 0).p, 1)
  assert.is(mcnemar(40, 40).p, 1) // statsmodels squares a correction below zero here
})

test('erfc to 13 digits, into the tail', () => {
  for (const { x, value } of golden.erfc) assert.ok(Math.abs(erfc(x) / value - 1) < 2e-12, `${x}: ${erfc(x)}, ${value}`)
})

test('pass@k, by exact fractions', () => {
  for (const { k, n, c, value } of golden.pass_at) near(passAt(k, n, c), value)
  assert.equal(ladder(1), [1])
  assert.equal(ladder(6), [1, 2, 4, 6])
  assert.equal(ladder(8), [1, 2, 4, 8])
})

test("quantiles are numpy's", () => {
  const sorted = Float64Array.from(golden.quantiles.values as number[]).sort()
  golden.quantiles.q.forEach((q: number, i: number) => {
    near(quantile(sorted, q), golden.quantiles.of[i])
  })
})

test('the bootstrap: the interval of 200,000 resamples of numpy, by problems and by groups', () => {
  for (const { sums, counts, ci95, stderr } of golden.bootstrap) {
    const clusters = sums.map((sum: number, i: number) => ({ sum, count: counts[i] }))
    const got = bootstrap(clusters, 10_000, 0)
    for (const i of [0, 1]) assert.ok(Math.abs(got[i] - ci95[i]) < 0.12 * stderr, `${got} for ${ci95}`)
    assert.equal(bootstrap(clusters, 10_000, 0), got)
    assert.not.equal(bootstrap(clusters, 10_000, 1), got)
  }
})

test.run()
