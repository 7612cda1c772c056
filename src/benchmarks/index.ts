/** The benchmarks that eval knows by name. */
import type { Benchmark } from './benchmark.ts'
import { dynamath } from './dynamath.ts'
import { mathverse } from './mathverse.ts'
import { mathvision } from './mathvision.ts'
import { mathvista } from './mathvista.ts'
import { mmmu } from './mmmu.ts'
import { mmmupro } from './mmmupro.ts'
import { mvmath } from './mvmath.ts'
import { olympiadbench } from './olympiadbench.ts'

export { type Benchmark, openBenchmark, problemsOf } from './benchmark.ts'
export { fetchBenchmark } from './hub.ts'

export const benchmarks = {
  mathvision,
  olympiadbench,
  mmmu,
  'mmmu-pro': mmmupro,
  mathvista,
  mathverse,
  dynamath,
  'mv-math': mvmath,
} satisfies Record<string, Benchmark>
export type BenchmarkName = keyof typeof benchmarks
