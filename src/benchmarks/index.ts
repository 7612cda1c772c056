/** The benchmarks that eval knows by name. */
import type { Benchmark } from './benchmark.ts'
import { dynamath } from './dynamath.ts'
import { mathvision } from './mathvision.ts'
import { mvmath } from './mvmath.ts'
import { olympiadbench } from './olympiadbench.ts'

export { type Benchmark, openBenchmark, problemsOf } from './benchmark.ts'
export { fetchBenchmark } from './hub.ts'

export const benchmarks = { dynamath, mathvision, 'mv-math': mvmath, olympiadbench } satisfies Record<string, Benchmark>
export type BenchmarkName = keyof typeof benchmarks
