/** The benchmarks that eval knows by name. */
import { existsSync } from 'node:fs'
import { UserError } from '../errors.ts'
import { standard } from '../io/formats.ts'
import { openSource, type Source } from '../io/source.ts'
import { type Benchmark, openBenchmark } from './benchmark.ts'
import { mathvision } from './mathvision.ts'
import { olympiadbench } from './olympiadbench.ts'

export { type Benchmark, openBenchmark, problemsOf } from './benchmark.ts'

export const benchmarks = { mathvision, olympiadbench } satisfies Record<string, Benchmark>
export type BenchmarkName = keyof typeof benchmarks

/** The questions at `path`: a file of rows, or NAME=PATH for the official files of a benchmark. @throws UserError */
export function openNamed(path: string): { name: string; source: Source } {
  const [, name, data] = /^([\w-]+)=(.+)$/.exec(path) ?? []
  if (Object.hasOwn(benchmarks, name)) return { name, source: openBenchmark(benchmarks[name as BenchmarkName], data) }
  const known = Object.keys(benchmarks).join(', ')
  if (Object.hasOwn(benchmarks, path))
    throw new UserError(`${path}: expected ${path}=PATH. Download ${benchmarks[path as BenchmarkName].download}`, 2)
  if (name !== undefined && !existsSync(path)) throw new UserError(`${path}: expected one of ${known} before =`, 2)
  if (path === standard) throw new UserError('BENCHMARK: expected a file, got standard input, which TRAIN may be', 2)
  return { name: path, source: openSource(path) }
}
