/**
 * The few statistics that a result needs: intervals of a mean, pass@k, quantiles, McNemar's test, the paired bootstrap.
 * Nothing here knows of rows. Held to scipy, statsmodels and numpy by fixtures/golden/stats.
 */
import { stream } from '../../random.ts'

/** A mean of values in 0 … 1 with its standard error and 95% interval, as shares. */
export interface Estimate {
  mean: number
  /** Sample standard deviation (n - 1) over √n; 0 for fewer than two values. */
  stderr: number
  ci95: [low: number, high: number]
  n: number
}

const Z = 1.959963984540054

/**
 * The interval is Wilson's score interval (1927) where every value is 0 or 1, which is right for few and for lopsided
 * values too; else that of the normal approximation over the values, cut to 0 … 1.
 */
export function estimate(values: number[]): Estimate {
  const n = values.length
  if (n === 0) return { mean: 0, stderr: 0, ci95: [0, 1], n }
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const stderr = n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0
  const binary = values.every(value => value === 0 || value === 1)
  const [centre, half] = binary ? wilson(mean, n) : [mean, Z * stderr]
  return { mean, stderr, ci95: [Math.max(0, centre - half), Math.min(1, centre + half)], n }
}

function wilson(p: number, n: number): [centre: number, half: number] {
  const scale = 1 + Z ** 2 / n
  return [(p + Z ** 2 / (2 * n)) / scale, (Z / scale) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2))]
}

/**
 * The chance that one of `k` samples is right, from `n` samples of which `c` are: 1 - C(n-c, k)/C(n, k), the unbiased
 * estimator of Chen et al. 2021 (arXiv 2107.03374), as a product so that nothing overflows. Needs k ≤ n.
 */
export function passAt(k: number, n: number, c: number): number {
  if (n - c < k) return 1
  let none = 1
  for (let i = n - c + 1; i <= n; i++) none *= 1 - k / i
  return 1 - none
}

/** 1, 2, 4, … and `n`: the k for which pass@k is told. */
export function ladder(n: number): number[] {
  const ks: number[] = []
  for (let k = 1; k < n; k *= 2) ks.push(k)
  return n > 0 ? [...ks, n] : ks
}

/** The value below which the share `q` of the `sorted` values lies, between two of them by straight line. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1)
  const low = Math.floor(at)
  const high = Math.ceil(at)
  return sorted[low] + (at - low) * (sorted[high] - sorted[low])
}

export interface McNemar {
  test: 'exact binomial' | 'chi-square with continuity correction'
  /** Two-sided. */
  p: number
  /** Chi-square's value, 1 degree of freedom. */
  statistic?: number
}

/** Below so many discordant pairs the exact test is taken. */
const EXACT_BELOW = 25

/**
 * Whether two systems differ on the same items (McNemar 1947): `lost` are right only in the first, `gained` only in the
 * second. The correction (Edwards 1948) never goes below zero.
 */
export function mcnemar(lost: number, gained: number): McNemar {
  const n = lost + gained
  if (n < EXACT_BELOW) {
    let term = 0.5 ** n // C(n, i) / 2^n
    let tail = 0
    for (let i = 0; i <= Math.min(lost, gained); i++) {
      tail += term
      term *= (n - i) / (i + 1)
    }
    return { test: 'exact binomial', p: Math.min(1, 2 * tail) }
  }
  const statistic = Math.max(0, Math.abs(lost - gained) - 1) ** 2 / n
  return { test: 'chi-square with continuity correction', p: erfc(Math.sqrt(statistic / 2)), statistic }
}

/** 1 - erf(x) for x ≥ 0: erf's power series near zero, Laplace's continued fraction beyond. */
export function erfc(x: number): number {
  if (x < 2.5) {
    let term = x
    let sum = x
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = x
  for (let n = 80; n >= 1; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction
}

/** What is drawn as one: a pair's difference, or those of a group whose members hang together. */
export interface Cluster {
  sum: number
  count: number
}

/**
 * 95% interval of the mean difference by the bootstrap (Efron 1979): clusters drawn with replacement, as many as there
 * are, `resamples` times; the 2.5% and 97.5% quantiles of the means. The same `seed` gives the same interval.
 */
export function bootstrap(clusters: Cluster[], resamples: number, seed: number): [low: number, high: number] {
  const sums = Float64Array.from(clusters, cluster => cluster.sum)
  const counts = Float64Array.from(clusters, cluster => cluster.count)
  const next = stream(seed, 'bootstrap')
  const means = new Float64Array(resamples)
  for (let r = 0; r < resamples; r++) {
    let sum = 0
    let count = 0
    for (let i = 0; i < sums.length; i++) {
      const drawn = Math.floor(next() * sums.length)
      sum += sums[drawn]
      count += counts[drawn]
    }
    means[r] = sum / count
  }
  means.sort()
  return [quantile(means, 0.025), quantile(means, 0.975)]
}
