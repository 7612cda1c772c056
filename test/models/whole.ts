/** Golden cases as our processors encode them, the engine's forward pass over them, and goldens under other names. */

import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forward, partsOf } from '../../src/generate/forward.ts'
import { emptyCache } from '../../src/generate/prefill.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { type Encoded, openChat } from '../../src/models/chat.ts'
import { type ModelFolder, openFolder } from '../../src/models/folder.ts'
import { positionAxes } from '../../src/models/pictures/pictures.ts'
import { openCheckpoint, writeSafetensors } from '../../src/models/safetensors.ts'
import { golden, goldenPath } from './tiny.ts'

/** Logits (T, V) of a prompt. */
export async function logitsOf(folder: ModelFolder, { ids, vision, positions }: Encoded): Promise<Float32Array> {
  const parts = await partsOf(folder)
  const g = new Graph('whole')
  const axes = positionAxes(parts.decoder)
  const count = ids.map((_, t) => t)
  const feeds: Record<string, HostTensor> = {
    ids: int64(ids, [1, ids.length]),
    mask: int64(Array(ids.length).fill(1), [1, ids.length]),
    positions: axes
      ? int64((positions ?? Array(axes).fill(count)).flat(), [axes, 1, ids.length])
      : int64(count, [1, ids.length]),
    ...vision,
  }
  for (const [input, { dtype, shape }] of Object.entries(feeds)) g.input(input, dtype, shape)
  const past = parts.decoder.inputs
    .filter(input => input.startsWith('past'))
    .map(input => emptyCache(g, parts.decoder, input, 'ids'))
  const seen = Object.keys(vision ?? {})
  const made = forward(g, parts, { ids: 'ids', mask: 'mask', positions: 'positions', past, seen })
  g.output(g.op('Cast', [made.logits], { to: 1 }), 'logits')
  const session = await openSession(modelOf(g), { threads: 1, folder: folder.onnx })
  const { logits } = await session.run(feeds)
  await session.close()
  return logits.data as Float32Array
}

function int64(values: number[], shape: number[]): HostTensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) }
}

/** The rows of a golden case as our processor encodes them for the model at `path`. */
export async function encoded(name: string, key: string, path = goldenPath(name)): Promise<Encoded[]> {
  const { cases, picture } = await golden(name)
  const chat = await openChat(await openFolder(path))
  const { messages, images } = cases[key]
  const rows = messages.map(async (turns, i) =>
    chat.encode(turns, await Promise.all(images![i].map(picture)), { generation: true }),
  )
  return Promise.all(rows)
}

/** Logits of a golden case, one row after the other. */
export async function logits(name: string, key: string, path = goldenPath(name), adapter?: string) {
  const folder = await openFolder(path, { adapter })
  const made: Float32Array[] = []
  for (const row of await encoded(name, key, path)) made.push(await logitsOf(folder, row))
  return made
}

export type Tensors = NonNullable<Awaited<ReturnType<typeof openCheckpoint>>>['tensors']

/** The golden folder, copied into `dir`, with other tensors and other configs. */
export async function rewritten(
  dir: string,
  name: string,
  as: string,
  change: (tensors: Tensors, folder: string) => Promise<Tensors>,
  configs: (file: string, held: Record<string, unknown>) => Record<string, unknown> = (_, held) => held,
): Promise<string> {
  const out = join(dir, `${name}-${as}`)
  await cp(goldenPath(name), out, { recursive: true })
  const { tensors, folder } = (await openCheckpoint(goldenPath(name)))!
  await rm(join(out, 'model.safetensors'))
  await writeSafetensors(join(out, 'model.safetensors'), await change(tensors, folder), folder)
  for (const file of ['config.json', 'preprocessor_config.json']) {
    const held = JSON.parse(await readFile(join(out, file), 'utf8'))
    await writeFile(join(out, file), JSON.stringify(configs(file, held)))
  }
  return out
}
