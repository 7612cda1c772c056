/** Questions as a person names them on the command line: a file of rows, or a benchmark, whose files may be at hand. */
import { existsSync } from 'node:fs'
import { UserError } from '../errors.ts'
import { standard } from '../io/formats.ts'
import { openSource, type Source } from '../io/source.ts'
import { type Benchmark, type BenchmarkName, benchmarks, fetchBenchmark, openBenchmark } from './index.ts'

/**
 * @param named a file of rows; NAME=PATH, the official files of a benchmark; or NAME alone, fetched from the Hub
 * @param tell is told what is fetched
 * @throws UserError where there is nothing of that name
 */
export async function openNamed(
  named: string,
  tell?: (line: string) => void,
): Promise<{ name: string; source: Source }> {
  const known = (name: string): Benchmark | undefined =>
    Object.hasOwn(benchmarks, name) ? benchmarks[name as BenchmarkName] : undefined
  const [, name, data] = /^([\w-]+)=(.+)$/.exec(named) ?? []
  const [given, alone] = [known(name), known(named)]
  if (given) return { name, source: openBenchmark(given, data) }
  if (alone)
    return { name: named, source: openBenchmark(alone, await fetchBenchmark(named, alone, tell, `${named}=PATH`)) }
  if (name !== undefined && !existsSync(named))
    throw new UserError(`${named}: expected one of ${Object.keys(benchmarks).join(', ')} before =`, 2)
  if (named === standard) throw new UserError('BENCHMARK: expected a file, got standard input, which TRAIN may be', 2)
  return { name: named, source: openSource(named) }
}
