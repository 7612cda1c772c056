/** A model's forward pass as the engine puts it together, over a prompt as its processor encodes it. */

import { forward, partsOf } from '../../src/generate/forward.ts'
import { emptyCache } from '../../src/generate/prefill.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import type { Encoded } from '../../src/models/chat.ts'
import type { ModelFolder } from '../../src/models/folder.ts'
import { positionAxes } from '../../src/models/pictures/pictures.ts'

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
  g.output(forward(g, parts, { ids: 'ids', mask: 'mask', positions: 'positions', past, seen }).logits, 'logits')
  const session = await openSession(modelOf(g), { threads: 1, folder: folder.onnx })
  const { logits } = await session.run(feeds)
  await session.close()
  return logits.data as Float32Array
}

function int64(values: number[], shape: number[]): HostTensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) }
}
