/** Where rows come from: a file or standard input, in any of the formats, in batches, at bounded memory. */
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { UserError } from '../errors.ts'
import { type Format, formatOf, standard } from './formats.ts'
import { readJsonl } from './jsonl.ts'
import type { Row } from './row.ts'

export interface Source {
  /** For messages. */
  name: string
  /** The folder that pictures' paths start from: the input file's, or the working folder for standard input. */
  folder: string
  /** Rows as they come, some at a time. */
  batches(): AsyncGenerator<Row[]>
  /** How much of the input has been read, 0 … 1; undefined where nobody knows. */
  fraction(): number | undefined
}

/** Opens `path` (`-`: standard input). @throws UserError if there is no such file. */
export function openSource(path: string, from?: Format): Source {
  const format = formatOf(path, from)
  if (path === standard) {
    if (process.stdin.isTTY)
      throw new UserError('expected INPUT or rows on standard input, got a terminal. See --help for an example', 2)
    return {
      name: 'stdin',
      folder: '.',
      batches: () => (format === 'parquet' ? spooled() : lines(process.stdin, 'stdin', format)),
      fraction: () => undefined,
    }
  }
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) {
    const part = existsSync(`${path}.part`) ? ` (there is ${path}.part: take it up with --resume)` : ''
    throw new UserError(`${path}: no such file${part}`)
  }
  if (stat.isDirectory()) throw new UserError(`${path}: expected a file, got a folder`)
  let read = () => 0
  return {
    name: path,
    folder: dirname(path),
    async *batches() {
      if (format === 'parquet') {
        const { readParquet } = await import('./parquet-read.ts')
        yield* readParquet(path, fraction => {
          read = () => fraction * stat.size
        })
        return
      }
      const file = createReadStream(path, { highWaterMark: 1 << 18 })
      read = () => file.bytesRead
      yield* lines(file, path, format)
    },
    fraction: () => (stat.isFile() && stat.size > 0 ? read() / stat.size : undefined),
  }
}

/** Every row of `path`, one at a time. */
export async function* readRows(path: string, from?: Format): AsyncGenerator<Row> {
  for await (const batch of openSource(path, from).batches()) yield* batch
}

async function* lines(input: NodeJS.ReadableStream, name: string, format: Format): AsyncGenerator<Row[]> {
  try {
    const bytes = format === 'jsonl.gz' ? pipeGunzip(input) : input
    yield* readJsonl(bytes as AsyncIterable<Uint8Array>, name)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code?.startsWith('Z_')) throw new UserError(`${name}: expected a whole gzip file, got: ${message}`)
    throw error
  }
}

function pipeGunzip(input: NodeJS.ReadableStream): NodeJS.ReadableStream {
  const gunzip = createGunzip({ chunkSize: 1 << 18 })
  input.on('error', error => gunzip.destroy(error))
  return input.pipe(gunzip)
}

/** Parquet keeps its index at the end of the file: what comes through a pipe has to be laid down first. */
async function* spooled(): AsyncGenerator<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sophia-'))
  try {
    const path = join(folder, 'stdin.parquet')
    await pipeline(process.stdin, createWriteStream(path))
    const { readParquet } = await import('./parquet-read.ts')
    yield* readParquet(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
