/**
 * The files of a checkpoint, brought into another folder: as they are (cloned where the file system can, else linked,
 * else copied), or with their floats cast, a mebibyte at a time.
 */

import { constants, copyFile, link, mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesOf, sizeOf, type Tensor } from '../graph/ir.ts'
import { type Float, isFloat } from './half.ts'
import { checkpointFiles, readSafetensors, type ShardIndex, writeSafetensors } from './safetensors.ts'
import { show, writeFiles } from './write.ts'

type Found = NonNullable<Awaited<ReturnType<typeof checkpointFiles>>>

const INDEX = 'model.safetensors.index.json'

/** Puts the checkpoint's files under `onnx/` of a model folder, shown from above, and their index beside. */
export async function placeShards(path: string, folder: string, as?: Float): Promise<void> {
  const found = (await checkpointFiles(path))!
  const onnx = join(folder, 'onnx')
  await mkdir(onnx, { recursive: true })
  let size = 0
  for (const [name, file] of found.files) {
    if (as && (await differs(file, as))) {
      const { tensors, folder: from } = await readSafetensors(file)
      size += bytes(await writeSafetensors(join(onnx, name), tensors, from, as))
    } else {
      await clone(file, join(onnx, name))
      if (as) size += bytes((await readSafetensors(file)).tensors)
    }
    await show(folder, name)
  }
  await writeIndex(found, folder, as && size)
}

/** Puts the files, true files and no links, into a folder of their own. */
export async function bareShards(path: string, folder: string): Promise<void> {
  const found = (await checkpointFiles(path))!
  for (const [name, file] of found.files) await clone(file, join(folder, name))
  await writeIndex(found, folder)
}

/** A clone shares the disk's blocks until one of the two is written to; a link is a second name for the same file. */
async function clone(from: string, to: string): Promise<void> {
  const real = await realpath(from)
  await copyFile(real, to, constants.COPYFILE_FICLONE_FORCE)
    .catch(() => link(real, to))
    .catch(() => copyFile(real, to))
}

async function writeIndex({ index }: Found, folder: string, size?: number): Promise<void> {
  if (!index) return
  const held: ShardIndex = size ? { ...index, metadata: { ...index.metadata, total_size: size } } : index
  await writeFiles(folder, { [INDEX]: held })
}

async function differs(file: string, as: Float): Promise<boolean> {
  const { tensors } = await readSafetensors(file)
  return [...tensors.values()].some(({ dtype }) => isFloat(dtype) && dtype !== as)
}

const bytes = (tensors: Map<string, Tensor>) =>
  [...tensors.values()].reduce((sum, { dtype, shape }) => sum + bytesOf(dtype) * sizeOf(shape), 0)
