/**
 * AdamW's two moments, twice what the weights take, in a file in place of memory (ZeRO-Infinity's offload of the
 * optimizer: Rajbhandari et al. 2021, arXiv 2104.07857). A step reads and writes the file once, whatever its batch;
 * what the system holds of it is its cache, which it gives up when memory is short.
 */

import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { sizeOf, type Tensor } from '../graph/ir.ts'
import { pieces } from '../models/safetensors.ts'

/** A float32 tensor in a file that is open for reading and writing. */
export class Filed {
  constructor(
    private readonly handle: FileHandle,
    /** Where it lies; the file is named as its own folder knows it. */
    readonly place: Extract<Tensor, { file: string }>,
  ) {}

  /** Fills `room` with the elements from `at` on. */
  async read(at: number, room: Float32Array): Promise<void> {
    const bytes = bytesOf(room)
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.handle.read(bytes, done, bytes.length - done, this.place.offset + 4 * at + done)
      if (bytesRead === 0) throw new Error(`${this.place.file} ends too early`)
      done += bytesRead
    }
  }

  async write(at: number, elements: Float32Array): Promise<void> {
    await this.writeBytes(4 * at, bytesOf(elements))
  }

  async writeBytes(at: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, this.place.offset + at + done)
      done += bytesWritten
    }
  }
}

export interface MomentFile {
  first: Map<string, Filed>
  second: Map<string, Filed>
  /** Takes both over from where a checkpoint has them: tensors in `folder`. */
  load(kind: 'first' | 'second', name: string, from: Tensor, folder: string): Promise<void>
  close(): Promise<void>
}

/** Makes the file, all zeros. */
export async function momentFile(path: string, tensors: { name: string; shape: number[] }[]): Promise<MomentFile> {
  const handle = await open(path, 'w+')
  let end = 0
  const lay = () =>
    new Map(
      tensors.map(({ name, shape }) => {
        const [offset, length] = [end, 4 * sizeOf(shape)]
        end += length
        return [name, new Filed(handle, { dtype: 'float32', shape, file: basename(path), offset, length })] as const
      }),
    )
  const [first, second] = [lay(), lay()]
  await handle.truncate(end)
  const held = { first, second }
  return {
    ...held,
    async load(kind, name, from, folder) {
      const to = held[kind].get(name)!
      let at = 0
      for await (const piece of pieces(from, folder)) {
        await to.writeBytes(at, piece)
        at += piece.length
      }
    },
    close: () => handle.close(),
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength)
