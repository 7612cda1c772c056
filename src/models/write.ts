/**
 * Writing a model folder whole or not at all: it is made as `NAME.part` and renamed when complete. Weights are stored
 * once, in `onnx/model.safetensors`, where the graphs can point at them (ONNX Runtime reads nothing outside the graphs'
 * folder); `model.safetensors`, where Python looks, is a symbolic link to it.
 */

import { existsSync } from 'node:fs'
import { copyFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import type { Model, Tensor } from '../graph/ir.ts'
import { writeModel } from '../graph/proto.ts'
import { writeSafetensors } from './safetensors.ts'

/** Has `fill` make the folder `out`. Throws a UserError where it exists, unless `overwrite`. */
export async function wholeFolder(out: string, fill: (part: string) => Promise<void>, overwrite = false) {
  const target = resolve(out)
  if (existsSync(target) && !overwrite)
    throw new UserError(`${out}: exists already. Choose another folder, or remove it`)
  const part = join(dirname(target), `${basename(target)}.part`)
  await rm(part, { recursive: true, force: true })
  await mkdir(join(part, 'onnx'), { recursive: true })
  await fill(part)
  const old = `${part}.old`
  await rm(old, { recursive: true, force: true })
  if (existsSync(target)) await rename(target, old) // so that there is always a whole folder, here or there
  await rename(part, target)
  await rm(old, { recursive: true, force: true })
}

/** Writes files by name: text and bytes as they are, anything else as JSON. */
export async function writeFiles(folder: string, files: Record<string, unknown>): Promise<void> {
  for (const [name, held] of Object.entries(files)) {
    const content = typeof held === 'string' || held instanceof Uint8Array ? held : `${JSON.stringify(held, null, 2)}\n`
    await writeFile(join(folder, name), content)
  }
}

/**
 * Writes the weights and what points at them.
 *
 * @param from where the files are that `tensors` refer to
 * @returns the tensors as references into `onnx/model.safetensors`
 */
export async function writeWeights(folder: string, tensors: Map<string, Tensor>, from: string) {
  const references = await writeSafetensors(join(folder, 'onnx', 'model.safetensors'), tensors, from)
  await symlink(join('onnx', 'model.safetensors'), join(folder, 'model.safetensors')).catch(() =>
    // Where links cannot be made (some Windows and network drives) the weights lie there twice.
    copyFile(join(folder, 'onnx', 'model.safetensors'), join(folder, 'model.safetensors')),
  )
  return references
}

export async function writeGraphs(folder: string, models: Record<string, Model>): Promise<void> {
  for (const [name, model] of Object.entries(models)) {
    await writeFile(join(folder, 'onnx', `${name}.onnx`), writeModel(model))
  }
}
