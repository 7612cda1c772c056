/**
 * A benchmark: how its official files become problems, how its models are asked, who judges. Files come from a folder
 * (the official repository, the Hub's copy) or singly; hub.ts fetches them from the Hub.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Judge } from '../answers/verify.ts'
import { UserError } from '../errors.ts'
import { modalityOf } from '../io/images.ts'
import { idOf, type Row } from '../io/row.ts'
import { openSource, type Source } from '../io/source.ts'

export interface Benchmark {
  judge: Judge
  /** What its authors divide by: all problems (the default), or those to which an answer was given. */
  denominator?: 'all' | 'answered'
  /** What to download, for the message where it is not there. */
  download: string
  /** The data set on the Hub, as owner/name. */
  hub?: string
  /** Of a folder's files (paths relative to it), those that hold the items of the split that papers report. */
  files(names: string[]): string[]
  /** Of a data set's files, those that hold pictures which are not in the items: picture files, or zip archives of them. */
  pictures?(names: string[]): string[]
  /** The problem in an official item of `file`; undefined where it is not scored. */
  problem(item: Row, file: string): Row | undefined
  /** What a problem is asked with: a template with {question} and {options}. */
  prompt(problem: Row): string
}

/**
 * The problems of `benchmark` in `path`, a file or a folder. An id that an earlier file has had is told apart by the
 * name of its subset.
 * @throws UserError if there is no such path, or nothing of the benchmark in it
 */
export function openBenchmark(benchmark: Benchmark, path: string): Source {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw new UserError(`--data ${path}: no such file or folder. Download ${benchmark.download}`)
  const names = stat.isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }).sort() : undefined
  const files = names ? benchmark.files(names).map(name => join(path, name)) : [path]
  if (files.length === 0)
    throw new UserError(`--data ${path}: expected the files of ${benchmark.download}, found none of them`)
  let read = 0
  return {
    name: path,
    folder: pictureFolder(files[0]),
    async *batches() {
      const taken = new Set<string>()
      for (const file of files) {
        for await (const items of batchesOf(file)) {
          const problems = items.map(item => benchmark.problem(item, resolve(file))).filter(problem => !!problem)
          yield problems.map(problem => distinct(problem, taken))
        }
        read++
      }
    },
    fraction: () => read / files.length,
  }
}

function distinct(problem: Row, taken: Set<string>): Row {
  const id = idOf(problem)
  const name = taken.has(id) && problem.subset !== undefined ? `${problem.subset}/${id}` : id
  taken.add(name)
  return name === id ? problem : { ...problem, id: name }
}

/** Official paths start at the folder that has `images/`: the file's own, or, from data/x.jsonl, the one above. */
function pictureFolder(file: string): string {
  const own = dirname(file)
  return [own, join(own, '..')].find(folder => existsSync(join(folder, 'images'))) ?? own
}

async function* batchesOf(file: string): AsyncGenerator<Row[]> {
  if (!file.toLowerCase().endsWith('.json')) return yield* openSource(file).batches()
  let items: unknown
  try {
    items = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UserError(`${file}: expected a JSON array of items: ${(error as Error).message}`)
  }
  const held = typeof items === 'object' && items !== null ? Object.entries(items) : []
  if (typeof items !== 'object' || !held.every(([, item]) => typeof item === 'object' && item !== null))
    throw new UserError(`${file}: expected a JSON array of items, or an object of them by id`)
  yield held.map(([id, item]) => (Array.isArray(items) ? item : { id, ...item }))
}

/** The problems by id, for joining saved answers to them; of pictures that are no paths only `modality` stays. */
export async function problemsOf(source: Source): Promise<Map<string, Row>> {
  const problems = new Map<string, Row>()
  for await (const batch of source.batches()) {
    for (const { images, ...problem } of batch) {
      const paths = Array.isArray(images) && images.every(image => typeof image === 'string')
      problems.set(idOf(problem), paths ? { ...problem, images } : { modality: modalityOf({ images }), ...problem })
    }
  }
  return problems
}

/** Only the files of the first of `endings` that any has: a folder may hold the same items in two formats. */
export function firstFormat(names: string[], endings = ['.jsonl', '.json', '.parquet']): string[] {
  for (const ending of endings) {
    const found = names.filter(name => name.toLowerCase().endsWith(ending))
    if (found.length > 0) return found
  }
  return []
}
