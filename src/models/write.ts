/**
 * Writing a model folder whole or not at all: it is made as `NAME.part` and renamed when complete. Weights are stored
 * once, in `onnx/model.safetensors`, where the graphs can point at them (ONNX Runtime reads nothing outside the graphs'
 * folder); `model.safetensors`, where Python looks, is a symbolic link to it.
 */

import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ofSystem, UserError } from '../errors.ts'
import type { Model, Tensor } from '../graph/ir.ts'
import { modelOf, writeModel } from '../graph/proto.ts'
import { buildGraphs, type Compute, type Find } from './builders/index.ts'
import type { Config } from './config.ts'
import { writeSafetensors } from './safetensors.ts'

/** Has `fill` make the folder `out`. Throws a UserError where it exists, unless `overwrite`, or cannot be written. */
export async function wholeFolder(out: string, fill: (part: string) => Promise<void>, overwrite = false) {
  const target = resolve(out)
  if (existsSync(target) && !overwrite)
    throw new UserError(`${out}: exists already. Choose another folder, or remove it`)
  const part = join(dirname(target), `${basename(target)}.part`)
  const refused = ({ message }: Error) => {
    throw new UserError(`${out}: cannot be written: ${message}. Make room for it, or choose another place`)
  }
  const run = existsSync(part) && (await readdir(part)).find(name => /^step-\d+$/.test(name))
  if (run)
    throw new UserError(`${part}: holds ${run} of a training run. Take that up, remove it, or choose another folder`)
  await rm(part, { recursive: true, force: true })
    .then(() => mkdir(part, { recursive: true }))
    .catch(refused)
  await fill(part).catch(error => (ofSystem(error) ? refused(error) : Promise.reject(error)))
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

/** Files of a model folder that are not weights. */
const PLAIN = /\.(json|jinja|txt|model|md|py)$|^LICENSE/
const WEIGHTS = /\.safetensors|^adapter_|\.index\.json$/

/** Copies what is not weights: configs, tokenizer, processor, licence. */
export async function copyPlain(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isDirectory() || !PLAIN.test(entry.name) || WEIGHTS.test(entry.name)) continue
    // Not copyFile: of a source that is for reading only, what it gives could not be written over.
    await writeFile(join(to, entry.name), await readFile(join(from, entry.name)))
  }
}

/**
 * Writes the weights and what points at them.
 *
 * @param from where the files are that `tensors` refer to
 * @returns the tensors as references into `onnx/model.safetensors`
 */
export async function writeWeights(folder: string, tensors: Map<string, Tensor>, from: string) {
  await mkdir(join(folder, 'onnx'), { recursive: true })
  const references = await writeSafetensors(join(folder, 'onnx', 'model.safetensors'), tensors, from)
  await show(folder, 'model.safetensors')
  return references
}

/** Puts a link where Python looks to a file in `onnx/`. */
export const show = (folder: string, name: string) =>
  symlink(join('onnx', name), join(folder, name)).catch(() =>
    // Where links cannot be made (some Windows and network drives) the weights lie there twice.
    copyFile(join(folder, 'onnx', name), join(folder, name)),
  )

/** Builds the graphs of a config over a checkpoint whose files lie in the folder's `onnx/`, and writes them. */
export async function writeBuilt(folder: string, config: Config, find: Find, compute: Compute = 'float32') {
  for (const [name, graph] of Object.entries(buildGraphs(config, find, compute))) {
    await writeGraphs(folder, { [name]: modelOf(graph, { compute }) })
  }
}

export async function writeGraphs(folder: string, models: Record<string, Model>): Promise<void> {
  for (const [name, model] of Object.entries(models)) {
    await writeFile(join(folder, 'onnx', `${name}.onnx`), writeModel(model))
  }
}
