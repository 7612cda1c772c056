/** The benchmarks that eval knows by name. */
import type { Benchmark } from './benchmark.ts'
import { mathvision } from './mathvision.ts'
import { olympiadbench } from './olympiadbench.ts'

export { type Benchmark, openBenchmark, problemsOf } from './benchmark.ts'

export const benchmarks = { mathvision, olympiadbench } satisfies Record<string, Benchmark>
export type BenchmarkName = keyof typeof benchmarks
