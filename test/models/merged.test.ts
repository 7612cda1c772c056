/**
 * Decoders that are two graphs in one file, as the Hub's older folders have them: an If on whether there is a past, with
 * positions that the graphs count themselves. Against PyTorch: fixtures/golden/make_merged.py.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { partsOf } from '../../src/generate/forward.ts'
import { openRunner } from '../../src/generate/runner.ts'
import { schedule, shapeFor } from '../../src/generate/scheduler.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import type { Sequence } from '../../src/train/micro.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { alike, exportsPath, laid, picked, places } from './exports.ts'
import { differentiated } from './learnt.ts'
import { scratch } from './tiny.ts'
import { logitsOf } from './whole.ts'

const test = suite('models: merged decoders')
const dir = scratch()

interface Golden {
  rows: number[][]
  greedy: number[][]
  loss: number
}

for (const name of ['merged-llama', 'merged-gpt2']) {
  const model = laid(name, dir)
  const { rows, greedy, loss }: Golden = JSON.parse(await readFile(join(exportsPath, name, 'golden.json'), 'utf8'))
  const held = await readSafetensors(join(exportsPath, name, 'golden.safetensors'))
  const made = async (key: string) => (await loadTensor(held.tensors.get(key)!, held.folder)).data as Float32Array

  test(`${name}: logits`, async () => {
    const folder = await openFolder(model)
    assert.equal(folder.graphs, ['decoder_model_merged'])
    const theirs = await made('logits')
    let at = 0
    for (const ids of rows) {
      const ours = await logitsOf(folder, { ids })
      const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - theirs[at + i])), 0)
      assert.ok(apart < 1e-4, `logits differ by ${apart}`)
      at += ours.length
    }
    assert.is(at, theirs.length)
  })

  test(`${name}: greedy tokens of rows of unequal length`, async () => {
    const folder = await openFolder(model)
    const runner = openRunner(
      await partsOf(folder),
      [],
      { temperature: 0, topP: 1 },
      { threads: 1, folder: folder.onnx },
    )
    const work = rows.map((ids, i) => ({ prompt: { ids }, same: String(i), budget: 10, draw: () => 0 }))
    const shape = { ...shapeFor('cuda', 8), steps: 4 }
    const texts: number[][] = []
    for await (const { tokens } of schedule(work, runner, [], shape, () => false)) texts.push(tokens)
    await runner.close()
    assert.equal(texts, greedy)
  })

  test(`${name}: loss and the gradient of every tensor`, async () => {
    const folder = await openFolder(model)
    const { parts, trained } = await openPolicy(folder, { trainVision: false })
    const count = rows.reduce((sum, row) => sum + row.length - 1, 0)
    const sequences = rows.map(
      (row): Sequence => ({
        ids: Int32Array.from(row),
        learnt: new Uint8Array(row.length).fill(1),
        weight: 1 / count,
      }),
    )
    const names = trained.map(each => each.name)
    const ran = await differentiated(parts, names, sequences, folder.onnx)
    assert.ok(Math.abs(Number(ran.loss.data[0]) - loss) < 1e-4, `loss ${ran.loss.data[0]}, expected ${loss}`)
    const at = places([parts.decoder_model_merged!], names)
    const seen = new Set<string>()
    for (const key of [...held.tensors.keys()].filter(key => key.startsWith('grad.'))) {
      const place = at(key.slice('grad.'.length))
      seen.add(place.name)
      const theirs = await made(key)
      alike(picked(ran[`grad.${place.name}`], place, theirs.length), theirs, `${name}: ${key}`)
    }
    assert.equal([...seen].sort(), names.sort())
  })
}

test.run()
