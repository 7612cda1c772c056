/**
 * Files out of a zip archive, as data sets of the Hub keep their pictures: stored or deflated, one entry at a time.
 * Left out: encryption, archives over 4 GiB (zip64), links, and any name that would leave the folder.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { UserError } from '../errors.ts'

/** Bytes of one unpacked file at most. */
const LARGEST = 2 ** 30
const END = 0x06054b50
const ENTRY = 0x02014b50

interface Entry {
  name: string
  method: number
  encrypted: boolean
  packed: number
  size: number
  at: number
}

/**
 * Unpacks the entries of `path` into `folder`, each where `place` says (relative to it; undefined leaves it out).
 * @throws UserError where it is no whole zip archive, or one that we do not read
 */
export async function unzip(path: string, folder: string, place: (name: string) => string | undefined): Promise<void> {
  const file = await open(path, 'r')
  try {
    for (const entry of await entriesOf(file, path)) {
      const name = entry.name.endsWith('/') ? undefined : place(entry.name)
      if (name === undefined || name.split(/[/\\]/).includes('..') || /^([/\\]|\w:)/.test(name)) continue
      const target = join(folder, name)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, await contentOf(file, entry, path))
    }
  } finally {
    await file.close()
  }
}

/** The central directory, which stands at the end: a comment of up to 64 KiB may follow it. */
async function entriesOf(file: FileHandle, path: string): Promise<Entry[]> {
  const broken = (what: string) =>
    new UserError(`${path}: expected a whole zip archive, ${what}. Delete it and try again`)
  const { size } = await file.stat()
  const tail = await read(file, Math.max(0, size - 65_557), Math.min(size, 65_557))
  let end = tail.length - 22
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--
  if (end < 0) throw broken('found no end of its list')
  const count = tail.readUInt16LE(end + 10)
  const [length, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)]
  if (count === 0xffff || start === 0xffffffff)
    throw new UserError(`${path}: a zip archive of a kind that is not read here (zip64). Unpack it beside its data`)
  if (start + length > size) throw broken('its list lies outside')
  const list = await read(file, start, length)
  const entries: Entry[] = []
  for (let at = 0; entries.length < count; ) {
    if (at + 46 > list.length || list.readUInt32LE(at) !== ENTRY) throw broken(`entry ${entries.length + 1} is broken`)
    const [name, extra, comment] = [28, 30, 32].map(field => list.readUInt16LE(at + field))
    entries.push({
      name: list.toString('utf8', at + 46, at + 46 + name),
      method: list.readUInt16LE(at + 10),
      encrypted: (list.readUInt16LE(at + 8) & 1) === 1,
      packed: list.readUInt32LE(at + 20),
      size: list.readUInt32LE(at + 24),
      at: list.readUInt32LE(at + 42),
    })
    at += 46 + name + extra + comment
  }
  return entries
}

async function contentOf(file: FileHandle, { name, method, encrypted, packed, size, at }: Entry, path: string) {
  const strange = (what: string) => new UserError(`${path}: ${name}: ${what}. Unpack the archive beside its data`)
  if (encrypted || (method !== 0 && method !== 8)) throw strange('encrypted, or packed in a way that is not read here')
  if (size > LARGEST) throw strange(`${size} bytes are more than is unpacked here`)
  const head = await read(file, at, 30)
  const bytes = await read(file, at + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), packed)
  if (method === 0) return bytes
  try {
    return inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) })
  } catch (error) {
    throw strange(`cannot be unpacked: ${(error as Error).message}`)
  }
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, at)
  if (bytesRead < length) throw new UserError('a zip archive ends early. Delete it and try again')
  return bytes
}
