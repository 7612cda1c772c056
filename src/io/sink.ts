/**
 * Where rows go. A file F grows as F.part, which is plain JSONL whatever F's format is, because that is the one format
 * that survives `kill -9` in the middle; at the end it is renamed, or turned into F.tmp in F's format and that is
 * renamed. So whoever sees F sees all of it. Standard output (and pipes and devices) get the rows as they are made.
 */
import { once } from 'node:events'
import {
  accessSync,
  constants,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { ofSystem, UserError } from '../errors.ts'
import { type Format, formatOf, standard } from './formats.ts'
import { type Row, textOf } from './row.ts'

/** Characters that are gathered before they are handed to the system. */
const batch = 1 << 16

export interface Sink {
  /** Gives a promise only when the caller has to wait: the reader is slower than we are. */
  write(row: Row): Promise<void> | undefined
  /** Hands over what has been gathered. */
  flush(): Promise<void>
  /** All rows are written: makes the output what it was asked to be. */
  finish(): Promise<void>
  /** The work broke off: keeps what is whole, for --resume. */
  stop(): Promise<void>
}

/** The journal of output `path`, or undefined where there is none: standard output, pipes, devices. */
export function journalOf(path: string): string | undefined {
  if (path === standard) return undefined
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) throw new UserError(`${path}: expected a file to write, got a folder`, 2)
  return stat && !stat.isFile() ? undefined : `${path}.part`
}

/** @param resume go on at the end of the journal instead of refusing to touch it. */
export function openSink(path: string, to: Format | undefined, resume: boolean): Sink {
  const format = formatOf(path, to)
  const part = journalOf(path)
  if (part) {
    if (!resume && statSync(part, { throwIfNoEntry: false }))
      throw new UserError(`${part} is there from a run that was cut off: take it up with --resume, or remove it`)
    return fileSink(part, resume, () => settle(part, path, format))
  }
  const out = () => (path === standard ? process.stdout : createWriteStream(path, { flags: 'a' }))
  if (format === 'parquet') {
    const folder = mkdtempSync(join(tmpdir(), 'sophia-'))
    const rows = join(folder, 'rows.jsonl')
    const clean = () => rmSync(folder, { recursive: true, force: true })
    process.once('exit', clean)
    return fileSink(rows, false, async () => {
      const { writeParquet } = await import('./parquet-write.ts')
      await writeParquet(rows, join(folder, 'rows.parquet'))
      await pipeline(createReadStream(join(folder, 'rows.parquet')), out(), { end: path !== standard })
      clean()
    })
  }
  if (format === 'jsonl.gz') {
    const gzip = createGzip()
    const done = pipeline(gzip, out(), { end: path !== standard })
    done.catch(() => {}) // told by finish()
    return streamSink(gzip, () => done)
  }
  return streamSink(out(), async () => {}, path !== standard)
}

/** The journal becomes the output. */
async function settle(part: string, path: string, format: Format): Promise<void> {
  if (format === 'jsonl') {
    renameSync(part, path)
    return
  }
  const made = `${path}.tmp`
  if (format === 'parquet') {
    const { writeParquet } = await import('./parquet-write.ts')
    await writeParquet(part, made)
  } else {
    await pipeline(createReadStream(part, { highWaterMark: 1 << 18 }), createGzip(), createWriteStream(made))
  }
  await sync(made)
  renameSync(made, path)
  rmSync(part)
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+')
  await file.sync()
  await file.close()
}

function fileSink(path: string, append: boolean, done: () => Promise<void>): Sink {
  const finish = async () => {
    await sync(path)
    await done()
  }
  return streamSink(createWriteStream(path, { flags: append ? 'a' : 'w', highWaterMark: 1 << 18 }), finish)
}

function streamSink(out: Writable, finish: () => Promise<void>, ends = true): Sink {
  let gathered = ''
  let waiting: Promise<void> | undefined
  let broken: Error | undefined
  let scheduled = false
  out.on('error', error => {
    broken ??= error
  })
  const check = () => {
    if (broken) throw told(broken)
  }
  const hand = (): Promise<void> | undefined => {
    check()
    if (gathered === '') return waiting
    const text = gathered
    gathered = ''
    if (!out.write(text) && !waiting) {
      waiting = once(out, 'drain').then(
        () => {
          waiting = undefined
        },
        error => {
          waiting = undefined
          throw told(error)
        },
      )
      waiting.catch(() => {}) // told to the next who writes
    }
    return waiting
  }
  const flush = async () => {
    await waiting
    await hand()
  }
  const close = async () => {
    await flush()
    if (!ends) {
      await new Promise<void>((done, failed) => out.write('', error => (error ? failed(told(error)) : done())))
    } else if (!out.closed) {
      out.end()
      if (!out.writableFinished) await once(out, 'finish')
    }
    check()
  }
  return {
    write(row) {
      gathered += `${textOf(row)}\n`
      if (gathered.length >= batch) return waiting ? flush() : hand()
      if (!scheduled) {
        // When the loop turns there is nothing more to do at the moment: whoever reads us gets what there is.
        scheduled = true
        setImmediate(() => {
          scheduled = false
          if (waiting) waiting.then(hand, () => {})
          else if (!broken) hand()
        })
      }
      return waiting
    },
    flush,
    async finish() {
      await close()
      await finish()
    },
    stop: close,
  }
}

function told(error: Error): Error {
  const { code, path, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || ofSystem(error)) return new UserError(`cannot write ${path ?? 'the output'}: ${message}`)
  return error
}

/** Checks before the work that a file can be written after it. @throws UserError if `path` is a folder or in none */
export function checkWritable(flag: string, path: string | undefined): void {
  if (path === undefined) return
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new UserError(`${flag} ${path}: expected a file to write, got a folder`, 2)
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new UserError(`${flag} ${path}: there is no folder ${dirname(path)}`, 2)
}

/** Likewise of a folder that is to be made. @throws UserError if nothing can be made where it is to stand */
export function checkPlace(flag: string, path: string): void {
  let above = dirname(resolve(path))
  while (!existsSync(above)) above = dirname(above)
  if (!statSync(above).isDirectory())
    throw new UserError(`${flag} ${path}: expected ${above} to be a folder, got a file`, 2)
  try {
    accessSync(above, constants.W_OK)
  } catch (error) {
    throw new UserError(`${flag} ${path}: cannot be written: ${(error as Error).message}. Choose another place`)
  }
}
