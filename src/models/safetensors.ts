/**
 * Safetensors files: eight bytes of header length, a JSON header, the tensors one after the other. Reading gives
 * references (file, offset, length), the very thing that an ONNX external initializer is, so a weight is looked at
 * only by what needs its numbers. Sharded checkpoints are read through their index. Left out: dtypes that the IR lacks.
 */

import { createWriteStream, existsSync } from 'node:fs'
import { open, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { finished } from 'node:stream/promises'
import { UserError } from '../errors.ts'
import { bytesOf, type DType, sizeOf, type Tensor } from '../graph/ir.ts'
import type { Data, HostTensor } from '../graph/session.ts'
import { castOf, type Float, isFloat, isHalf, narrow, widen } from './half.ts'

const CODES: Record<string, DType> = {
  F64: 'float64', F32: 'float32', F16: 'float16', BF16: 'bfloat16', I64: 'int64', I32: 'int32', I16: 'int16',
  I8: 'int8', U64: 'uint64', U32: 'uint32', U16: 'uint16', U8: 'uint8', BOOL: 'bool',
} // biome-ignore format: a table

const codeOf = (dtype: DType) => Object.keys(CODES).find(code => CODES[code] === dtype)

/** Files are read and written in pieces of this many bytes. */
const PIECE = 1 << 20

/** Tensors of a checkpoint, by name, and the folder that their files are in (a true folder, no symbolic link). */
export interface Checkpoint {
  folder: string
  tensors: Map<string, Tensor>
}

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] }
}

/** The safetensors files of a model folder, by the names that they go by there, and the index where they are shards. */
export async function checkpointFiles(path: string) {
  // Our own folders keep them in onnx/; the links to them from above may not have survived a copy.
  const find = (name: string) => [join(path, 'onnx', name), join(path, name)].find(file => existsSync(file))
  const single = find('model.safetensors')
  if (single) return { files: new Map([['model.safetensors', single]]) }
  const place = join(path, 'model.safetensors.index.json')
  if (!existsSync(place)) return undefined
  const index = indexIn(await readFile(place, 'utf8'), place)
  const names = [...new Set(Object.values(index.weight_map))].sort()
  return { files: new Map(names.map(name => [name, find(name) ?? join(path, name)])), index }
}

function indexIn(text: string, place: string): ShardIndex {
  try {
    const index = JSON.parse(text) as ShardIndex
    if (Object.values(index.weight_map).every(name => typeof name === 'string')) return index
  } catch {}
  throw new UserError(
    `${place}: expected the index of a checkpoint, with files by tensor in weight_map. Fetch it again.`,
  )
}

/** model.safetensors.index.json */
export interface ShardIndex {
  metadata?: Record<string, unknown>
  /** File by tensor. */
  weight_map: Record<string, string>
}

/** The checkpoint in a model folder (one file, or shards with their index), or undefined where there is none. */
export async function openCheckpoint(path: string): Promise<Checkpoint | undefined> {
  const found = await checkpointFiles(path)
  if (!found) return undefined
  const shards = await Promise.all([...found.files.values()].map(readSafetensors))
  const folders = new Set(shards.map(shard => shard.folder))
  if (folders.size > 1)
    throw new UserError(`${path}: the shards of the checkpoint lie in different folders. Bring them into one`)
  const tensors = new Map(shards.flatMap(shard => [...shard.tensors]))
  for (const name of Object.keys(found.index?.weight_map ?? {})) {
    if (!tensors.has(name)) {
      throw new UserError(`${path}: the index names the tensor ${name}, no shard has it. Fetch the model again.`)
    }
  }
  return { folder: shards[0].folder, tensors }
}

/** Reads the header of one file. Throws a UserError where it is not a whole safetensors file. */
export async function readSafetensors(path: string): Promise<Checkpoint> {
  const real = await realpath(path).catch(() => {
    throw new UserError(`${path}: expected a .safetensors file, found none. Fetch the model again.`)
  })
  const file = await open(real)
  try {
    const { size } = await file.stat()
    const length = size < 8 ? -1 : Number((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE())
    const broken = (why: string) => new UserError(`${path}: not a whole .safetensors file (${why}). Fetch it again.`)
    if (length < 2 || length > size - 8) throw broken(`${size} bytes, header of ${length}`)
    const text = (await file.read(Buffer.alloc(length), 0, length, 8)).buffer.toString('utf8')
    const { __metadata__, ...entries } = parsed(text, broken)
    const tensors = new Map<string, Tensor>()
    for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries)) {
      const [begin, end] = data_offsets ?? []
      if (!CODES[dtype])
        throw new UserError(
          `${path}: tensor ${name} has dtype ${dtype}, which is not supported. Take weights in floats of 16 or 32 bits`,
        )
      if (end - begin !== sizeOf(shape ?? [Number.NaN]) * bytesOf(CODES[dtype]))
        throw broken(`tensor ${name}: ${dtype} [${shape}] at ${data_offsets}`)
      if (8 + length + end > size) throw broken(`${size} bytes, tensor ${name} ends at ${8 + length + end}`)
      const reference = { file: basename(real), offset: 8 + length + begin, length: end - begin }
      tensors.set(name, { dtype: CODES[dtype], shape, ...reference })
    }
    return { folder: dirname(real), tensors }
  } finally {
    await file.close()
  }
}

function parsed(text: string, broken: (why: string) => Error): Header & { __metadata__?: unknown } {
  try {
    const header: unknown = JSON.parse(text)
    if (header && typeof header === 'object') return header as Header
  } catch {}
  throw broken('its header is no JSON object')
}

/** The bytes of a tensor, from memory or from its file in `folder`; `room`, where given, is what is read into. */
export async function tensorBytes(tensor: Tensor, folder: string, room?: Uint8Array): Promise<Uint8Array> {
  if ('data' in tensor) return tensor.data
  const file = await open(join(folder, tensor.file))
  try {
    const bytes = room?.subarray(0, tensor.length) ?? new Uint8Array(tensor.length)
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 1 << 30), tensor.offset + at)
      if (bytesRead === 0) throw new UserError(`${join(folder, tensor.file)}: ends too early. Fetch it again.`)
      at += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}

/** A tensor's numbers. 16-bit floats come as their bits in a Uint16Array, except where `float32` asks for them whole. */
export async function loadTensor(
  tensor: Tensor,
  folder: string,
  float32 = false,
  room?: Uint8Array,
): Promise<HostTensor> {
  // biome-ignore format: one thought
  const host = hostTensor(tensor, await tensorBytes(tensor, folder, room))
  if (!float32 || host.dtype === 'float32') return host
  if (!isHalf(host.dtype)) throw new Error(`${host.dtype} is not a float to widen`)
  return { ...host, dtype: 'float32', data: widen(host.data as Uint16Array, host.dtype) }
}

const ARRAYS: Partial<Record<DType, new (buffer: ArrayBuffer, offset: number, length: number) => Data>> = {
  float64: Float64Array, float32: Float32Array, int64: BigInt64Array, uint64: BigUint64Array, int32: Int32Array,
  uint32: Uint32Array, int16: Int16Array, uint16: Uint16Array, float16: Uint16Array, bfloat16: Uint16Array,
  int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
} // biome-ignore format: a table

function hostTensor({ dtype, shape }: Tensor, bytes: Uint8Array): HostTensor {
  const width = bytesOf(dtype)
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  const make = ARRAYS[dtype]!
  const data = new make(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / width)
  return { dtype, shape, data }
}

/** A tensor in memory as the IR has it. Its bytes are shared, unless single precision is rounded to `dtype`. */
export function tensorOf({ dtype, shape, data }: HostTensor, as: DType = dtype): Tensor {
  if (as !== dtype && !(dtype === 'float32' && isHalf(as))) throw new Error(`${dtype} cannot be stored as ${as}`)
  const held = as !== dtype && isHalf(as) ? narrow(data as Float32Array, as) : data
  return { dtype: as, shape, data: new Uint8Array(held.buffer, held.byteOffset, held.byteLength) }
}

/**
 * Where each tensor will lie, and the header that says so. As Hugging Face lays them: wide dtypes first, then by name,
 * the header padded so that the data begin at a multiple of eight.
 */
export function layout(tensors: Map<string, { dtype: DType; shape: number[] }>, file: string) {
  const order = [...tensors].sort(
    ([a, s], [b, t]) => bytesOf(t.dtype) - bytesOf(s.dtype) || (a < b ? -1 : a > b ? 1 : 0),
  )
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let at = 0
  const spans = order.map(([name, { dtype, shape }]) => {
    const length = sizeOf(shape) * bytesOf(dtype)
    entries[name] = { dtype: codeOf(dtype), shape, data_offsets: [at, at + length] }
    at += length
    return { name, dtype, shape, offset: at - length, length }
  })
  const json = Buffer.from(JSON.stringify(entries))
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  const references = new Map<string, Tensor>(
    spans.map(({ name, dtype, shape, offset, length }) => [
      name,
      { dtype, shape, file, offset: header.length + offset, length },
    ]),
  )
  return { header, references }
}

/**
 * Writes a file, holding no more than one piece of it.
 *
 * @param folder where the files are that tensors refer to
 * @param as the dtype that floats get; without it they stay what they are
 * @returns the tensors as references into the new file, in their order there
 */
export async function writeSafetensors(path: string, tensors: Map<string, Tensor>, folder: string, as?: Float) {
  const target = (tensor: Tensor) => (as && isFloat(tensor.dtype) ? as : tensor.dtype)
  const kinds = [...tensors].map(([name, t]) => [name, { dtype: target(t), shape: t.shape }] as const)
  const { header, references } = layout(new Map(kinds), basename(path))
  const out = createWriteStream(path)
  const done = finished(out)
  done.catch(() => {}) // awaited below; until then it must not count as unhandled
  const write = async (bytes: Uint8Array) => {
    if (!out.write(bytes) && !out.errored)
      await Promise.race([new Promise<void>(free => out.once('drain', () => free())), done])
  }
  await write(header)
  for (const [name, { length }] of references as Map<string, { length: number }>) {
    let written = 0
    const tensor = tensors.get(name)!
    const cast = castOf(name, tensor.dtype, target(tensor))
    for await (const whole of pieces(tensor, folder)) {
      const piece = cast(whole)
      await write(piece)
      written += piece.length
    }
    if (written !== length) throw new Error(`tensor ${name}: expected ${length} bytes, got ${written}`)
  }
  out.end()
  await done
  return references
}

/** The bytes of a tensor, a mebibyte at a time. */
export async function* pieces(tensor: Tensor, folder: string): AsyncGenerator<Uint8Array> {
  if ('data' in tensor) {
    for (let at = 0; at < tensor.data.length; at += PIECE) yield tensor.data.subarray(at, at + PIECE)
    return
  }
  const file = await open(join(folder, tensor.file))
  try {
    for (let at = 0; at < tensor.length; ) {
      const piece = new Uint8Array(Math.min(PIECE, tensor.length - at))
      for (let held = 0; held < piece.length; ) {
        const { bytesRead } = await file.read(piece, held, piece.length - held, tensor.offset + at + held)
        if (bytesRead === 0) throw new UserError(`${join(folder, tensor.file)}: ends too early. Fetch it again.`)
        held += bytesRead
      }
      at += piece.length
      yield piece
    }
  } finally {
    await file.close()
  }
}
