/**
 * Decoders of text models as the Hub's folders have them, against PyTorch: by optimum and by onnxruntime-genai
 * (fixtures/golden/make_decoders.py), and optimum's older ones, two graphs in one file, an If on whether there is a past,
 * with positions that the graphs count themselves (make_merged.py).
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { partsOf } from '../../src/generate/forward.ts'
import { openRunner } from '../../src/generate/runner.ts'
import { schedule, shapeFor } from '../../src/generate/scheduler.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import type { Sequence } from '../../src/train/micro.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { type Sketch, sketchedError } from '../autodiff/sketch.ts'
import { alike, exportsPath, laid, picked, places } from './exports.ts'
import { differentiated, labelled } from './learnt.ts'
import { golden, scratch } from './tiny.ts'
import { logitsOf } from './whole.ts'

const test = suite('models: decoders of text models')
const dir = scratch()

/** What a decoder has to compute. */
interface Truth {
  rows: number[][]
  /** Logits of the rows, one after the other. */
  logits: Float32Array
  /** Ten tokens for each row; fewer where it stops. */
  greedy: number[][]
  loss: number
  batch: Sequence[]
  /** Gradients by PyTorch's names of weights. */
  gradients: Record<string, Float32Array | Sketch>
}

/** Goldens in the export's own folder, where every token is learnt. */
async function own(name: string): Promise<Truth> {
  const { rows, greedy, loss } = JSON.parse(await readFile(join(exportsPath, name, 'golden.json'), 'utf8'))
  const held = await readSafetensors(join(exportsPath, name, 'golden.safetensors'))
  const made = async (key: string) => (await loadTensor(held.tensors.get(key)!, held.folder)).data as Float32Array
  const gradients: Truth['gradients'] = {}
  for (const key of held.tensors.keys()) if (key.startsWith('grad.')) gradients[key.slice(5)] = await made(key)
  const count = rows.reduce((sum: number, row: number[]) => sum + row.length - 1, 0)
  const batch = rows.map((row: number[]) => ({
    ids: Int32Array.from(row),
    learnt: new Uint8Array(row.length).fill(1),
    weight: 1 / count,
  }))
  return { rows, greedy, loss, batch, logits: await made('logits'), gradients }
}

/** Those of models/NAME, of which gradients are sketched. */
async function shared(name: string): Promise<Truth> {
  const held = await golden(name)
  const rowsOf = async (key: string) => {
    const [ids, mask] = [await held.tensor(`${key}.input_ids`), await held.tensor(`${key}.attention_mask`)]
    const [batch, length] = ids.shape
    const start = (b: number) => b * length + (mask.data as BigInt64Array).subarray(b * length).indexOf(1n)
    return Array.from({ length: batch }, (_, b) => ({ from: start(b), to: (b + 1) * length, ids: ids.data }))
  }
  const [one, padded] = [await rowsOf('one'), await rowsOf('padded')]
  const idsOf = ({ from, to, ids }: (typeof one)[0]) => Array.from((ids as BigInt64Array).subarray(from, to), Number)
  const cut = async (key: string, rows: typeof one) => {
    const { data, shape }: HostTensor = await held.tensor(`${key}.logits`)
    return rows.flatMap(({ from, to }) => Array.from((data as Float32Array).subarray(from * shape[2], to * shape[2])))
  }
  const { loss } = held.cases.train as unknown as { loss: number }
  const learnt = padded.map(row => ({ ids: idsOf(row) }))
  return {
    rows: [...one, ...padded].map(idsOf),
    logits: Float32Array.from([...(await cut('one', one)), ...(await cut('padded', padded))]),
    greedy: [...held.cases.one.greedy, ...held.cases.padded.greedy],
    loss,
    batch: await labelled(held, learnt),
    gradients: (held.cases as unknown as { gradients: Record<string, Sketch> }).gradients,
  }
}

/** The export → the model it is of, where that has the goldens. */
const DECODERS: Record<string, string | undefined> = {
  'optimum-qwen3': 'qwen3',
  'optimum-llama': 'llama',
  'optimum-smollm3': 'smollm3',
  'genai-qwen3': 'qwen3',
  'genai-llama': 'llama',
  'genai-internlm2': 'internlm2',
  'merged-llama': undefined,
  'merged-gpt2': undefined,
}

for (const [name, source] of Object.entries(DECODERS)) {
  const model = laid(name, dir, source)
  const { rows, greedy, loss, batch, logits, gradients } = await (source ? shared(source) : own(name))

  test(`${name}: logits`, async () => {
    const folder = await openFolder(model)
    assert.equal(folder.graphs, [source ? 'model' : 'decoder_model_merged'])
    let at = 0
    for (const ids of rows) {
      const ours = await logitsOf(folder, { ids })
      const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - logits[at + i])), 0)
      if (process.env.SHOW) console.log(name, 'logits', apart)
      assert.ok(apart < 1e-4, `logits differ by ${apart}`)
      at += ours.length
    }
    assert.is(at, logits.length)
  })

  test(`${name}: greedy tokens of rows of unequal length`, async () => {
    const folder = await openFolder(model)
    const stops = source ? folder.eos : []
    const runner = openRunner(
      await partsOf(folder),
      stops,
      { temperature: 0, topP: 1 },
      { threads: 1, folder: folder.onnx },
    )
    const work = rows.map((ids, i) => ({ prompt: { ids }, same: String(i), budget: 10, draw: () => 0 }))
    const shape = { ...shapeFor('cuda', 8), steps: 4 }
    const texts: number[][] = []
    for await (const { tokens } of schedule(work, runner, stops, shape, () => false)) texts.push(tokens)
    await runner.close()
    const until = (row: number[]) => (row.some(id => stops.includes(id)) ? row.slice(0, row.findIndex(id => stops.includes(id)) + 1) : row) // biome-ignore format: one thought
    assert.equal(texts, greedy.map(until))
  })

  test(`${name}: loss and the gradient of every tensor`, async () => {
    const folder = await openFolder(model)
    const { parts, trained } = await openPolicy(folder, { trainVision: false })
    const names = trained.map(each => each.name)
    const ran = await differentiated(parts, names, batch, folder.onnx)
    assert.ok(Math.abs(Number(ran.loss.data[0]) - loss) < 1e-4, `loss ${ran.loss.data[0]}, expected ${loss}`)
    const at = places([Object.values(parts)[0], (await folder.graph(folder.graphs[0])).graph], names)
    const seen = new Set<string>()
    const own = (key: string) => {
      const place = at(key)
      seen.add(place.name)
      return picked(ran[`grad.${place.name}`], place)
    }
    for (const [key, theirs] of Object.entries(gradients)) {
      const ours = own(key === 'model.embed_tokens.weight' && !names.includes(key) ? 'lm_head.weight' : key)
      if ('length' in theirs) {
        alike(ours, theirs, `${name}: ${key}`)
        continue
      }
      const error = sketchedError(ours, theirs)
      if (process.env.SHOW) console.log(name, key, error)
      assert.ok(error < 1e-3, `${name}: ${key}: relative error ${error}`)
    }
    assert.equal([...seen].sort(), names.sort())
  })
}

test.run()
