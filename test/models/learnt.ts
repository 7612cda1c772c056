/** What tests of models ask of one as a whole: its greedy text, and the gradient as a training step takes it. */

import * as assert from 'uvu/assert'
import { lower } from '../../src/autodiff/lower.ts'
import { gradients } from '../../src/autodiff/reverse.ts'
import { createGenerator } from '../../src/generate/index.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { forward, type Parts } from '../../src/train/forward.ts'
import { cut, declare, lay, type Reading, type Sequence } from '../../src/train/micro.ts'
import type { golden } from './tiny.ts'

type Golden = Awaited<ReturnType<typeof golden>>

/** Asserts that the engine writes, greedily and a case at a time, what Hugging Face wrote. */
export async function writesAlike(
  model: string,
  { cases, picture }: Pick<Golden, 'cases' | 'picture'>,
  keys: string[],
  dtype?: string,
): Promise<void> {
  const sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 10 }
  const generator = await createGenerator({ model, dtype, device: 'cpu', sampling, quiet: true })
  for (const key of keys) {
    const { messages, images, greedy_text } = cases[key]
    const requests = await Promise.all(
      messages.map(async (turns, i) => ({
        messages: turns,
        images: await Promise.all((images?.[i] ?? []).map(picture)),
        keys: [key, i],
      })),
    )
    const texts: string[] = []
    for await (const made of generator.generate(requests)) texts.push('error' in made ? made.error.message : made.text)
    assert.equal(texts, greedy_text, key)
  }
  await generator.close()
}

/** Case `train` of a golden as a micro-batch, from its rows as we encode them; PyTorch's loss is the mean over learnt tokens. */
export async function labelled(
  { tensor }: Golden,
  rows: (Pick<Sequence, 'vision' | 'positions'> & { ids: number[] })[],
): Promise<Sequence[]> {
  const [labels, mask] = [await tensor('train.labels'), await tensor('train.attention_mask')]
  const values = labels.data as BigInt64Array
  const count = values.reduce((sum, label) => sum + (label >= 0n ? 1 : 0), 0)
  const length = labels.shape[1]
  return rows.map(({ ids, vision, positions }, row) => {
    const start = row * length + (mask.data as BigInt64Array).subarray(row * length).indexOf(1n)
    const learnt = Uint8Array.from(ids, (_, t) => (values[start + t] >= 0n ? 1 : 0))
    return { ids: Int32Array.from(ids), learnt, weight: 1 / count, vision, positions }
  })
}

/** `loss` of a micro-batch and `grad.W` for each of `weights`. @param folder where the graphs' data lie */
export async function differentiated(
  parts: Parts,
  weights: string[],
  sequences: Sequence[],
  folder: string,
  reading: Reading = {},
) {
  const g = new Graph('gradients')
  declare(g, reading)
  const { loss } = forward(g, parts, cut(g, g.ints(0), reading))
  g.output(loss, 'loss')
  const found = gradients(g, loss, weights)
  for (const weight of weights) g.output(found.get(weight)!, `grad.${weight}`)
  lower(g)
  const session = await openSession(modelOf(g), { threads: 1, folder })
  const ran = await session.run(lay([sequences], reading))
  await session.close()
  return ran
}
