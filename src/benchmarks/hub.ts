/** A benchmark's files from its data set on the Hub: only those of the split that papers report, kept in the cache. */
import { UserError } from '../errors.ts'
import { fetchRepository, type HubFile } from '../io/hub.ts'
import { unzip } from '../io/zip.ts'
import type { Benchmark } from './benchmark.ts'

const PICTURE = /\.(png|jpe?g|webp|gif|bmp)$/i

/**
 * The folder with the files of `benchmark`, fetched where the cache lacks them.
 * @param tell is told what is fetched, before it is
 * @param how files at hand are named on the command line, for messages
 * @throws UserError where the Hub does not have them, or cannot be asked
 */
export async function fetchBenchmark(
  name: string,
  benchmark: Benchmark,
  tell: (line: string) => void = () => {},
  how = '--data PATH',
): Promise<string> {
  const { hub, download } = benchmark
  if (hub === undefined)
    throw new UserError(
      `--benchmark ${name}: expected --data PATH: the Hub's copy is not known here. Download ${download}`,
      2,
    )
  return fetchRepository(
    {
      kind: 'datasets',
      id: hub,
      because: 'its files are not in the cache',
      instead: `${how} reads files that you have. Download ${download}`,
    },
    {
      mark: `-${name}`,
      choose(files) {
        const names = files.map(file => file.name)
        const items = benchmark.files(names)
        if (items.length === 0)
          throw new UserError(`${hub}: the Hub's data set has no file of the split. ${how} reads files that you have`)
        const wanted = new Set([...items, ...(benchmark.pictures?.(names) ?? [])])
        const chosen = files.filter(file => wanted.has(file.name))
        tell(`fetching ${hub}: ${chosen.length} files${sizeOf(chosen)}`)
        return chosen
      },
      /** Pictures lie in images/ by their own name, however deep the archive has them. */
      async finish(folder, names) {
        for (const archive of names.filter(file => /\.zip$/i.test(file))) {
          await unzip(`${folder}/${archive}`, folder, entry =>
            PICTURE.test(entry) && !entry.startsWith('__MACOSX/') ? `images/${entry.split('/').at(-1)}` : undefined,
          )
        }
      },
    },
  )
}

function sizeOf(files: HubFile[]): string {
  if (files.some(({ size }) => size === undefined)) return ''
  const bytes = files.reduce((sum, { size }) => sum + (size as number), 0)
  return `, ${(bytes / 1e6).toFixed(1)} MB`
}
