/**
 * Vision-language models as the Hub's folders for transformers.js have them: tower and embeddings by PyTorch's exporters,
 * the decoder by optimum, by onnxruntime-genai (llava, internvl_300m, idefics3, qwen2_5_vl) or by PyTorch's (qwen2_vl), some
 * slimmed as transformers.js' scripts do. Against the goldens of Hugging Face for the same weights, with pictures of odd
 * sizes, several and none: fixtures/golden/make_vlm_exports.py.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import { learnable } from '../../src/train/learnable.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { alike, exportsPath, laidVision, picked, places } from './exports.ts'
import { differentiated, labelled, writesAlike } from './learnt.ts'
import { golden, scratch } from './tiny.ts'
import { encoded, logitsOf } from './whole.ts'

const dir = scratch()

/** The export → the model it is of, and the goldens where they are others. */
const EXPORTS: Record<string, string | [model: string, goldens: string]> = {
  llava: 'llava',
  llava_dynamo: 'llava',
  llava_clip: 'llava_clip',
  llava_onevision: ['llava_onevision', '../exports/llava_onevision'], // of each picture one tile
  smolvlm: 'smolvlm',
  idefics3: 'idefics3',
  internvl: 'internvl', // a tower like InternViT-6B's
  internvl_300m: 'internvl_300m',
  qwen2_vl: 'qwen2_vl',
  qwen2_5_vl: 'qwen2_5_vl',
}

for (const [name, of] of Object.entries(EXPORTS)) {
  const [from, source = from] = [of].flat()
  const test = suite(`models: ${name} exported`)
  const model = await laidVision(name, from, dir)
  const held = await golden(source)
  const tied = !held.names.some(key => key.endsWith('lm_head.weight'))
  const keys = Object.keys(held.cases).filter(key => key !== 'train')

  /** The greatest difference of logits from Hugging Face's. */
  async function apart(dtype?: string): Promise<number> {
    const folder = await openFolder(model, { dtype })
    let most = 0
    for (const key of keys) {
      const mask = await held.tensor(`${key}.attention_mask`)
      const whole = await held.tensor(`${key}.logits`)
      for (const [row, made] of (await encoded(source, key, model)).entries()) {
        const logits = await logitsOf(folder, made)
        const [, length, width] = whole.shape
        const start = (mask.data as BigInt64Array).subarray(row * length).indexOf(1n)
        const theirs = whole.data.subarray((row * length + start) * width, (row + 1) * length * width) as Float32Array
        assert.is(logits.length, theirs.length)
        most = theirs.reduce((most, x, i) => Math.max(most, Math.abs(x - logits[i])), most)
      }
    }
    return most
  }

  test('logits', async () => {
    const difference = await apart()
    if (process.env.SHOW) console.log(name, difference)
    assert.ok(difference < 1e-4, `logits differ by ${difference}`)
  })

  test('greedy text', async () => {
    await writesAlike(model, held, keys)
  })

  test('loss and the gradient of every tensor', async () => {
    const folder = await openFolder(model)
    const { parts, reading, trained } = await openPolicy(folder, { trainVision: true })
    const { loss, of } = held.cases.train as unknown as { loss: number; of: string }
    const weights = trained.map(each => each.name)
    const sequences = await labelled(held, await encoded(source, of, model))
    const ran = await differentiated(parts, weights, sequences, folder.onnx, reading)
    assert.ok(Math.abs(Number(ran.loss.data[0]) - loss) < 1e-4, `loss ${ran.loss.data[0]}, expected ${loss}`)
    const graphs = await Promise.all(folder.graphs.map(async part => (await folder.graph(part)).graph))
    const at = places(graphs, weights)
    const seen = new Set<string>()
    for (const key of held.names.filter(key => key.startsWith('grad.'))) {
      const theirs = (await held.tensor(key)).data as Float32Array
      const own = (weight: string) => {
        const place = at(weight)
        seen.add(place.name)
        return picked(ran[`grad.${place.name}`], place)
      }
      const weight = key.slice('grad.'.length)
      // A table of positions that was cut in two, or looked up when it was exported, has no name.
      const isTable = /embeddings\.position_embeddings?(\.weight)?$/.test(weight)
      const table = trained.filter(({ name, start }) => isTable && start.shape.length === 3 && !/cls_token|position_embeddings?$/.test(name)) // biome-ignore format: one thought
      const ours = table.length > 0 ? table.flatMap(({ name }) => own(name)) : own(weight)
      // Exported apart, the two ends of a tied embedding are two tensors.
      const cut = weight.endsWith('embed_tokens.weight') && tied && !graphs.at(-1)!.initializers.has(at(weight).name)
      const head = cut ? own('lm_head.weight') : undefined
      alike(head ? ours.map((x, i) => x + head[i]) : ours, theirs, `${name}: ${weight}`)
    }
    assert.equal([...seen].sort(), weights.sort())
  })

  test.run()
}

const packed = suite('models: llava_clip exported, its decoder in four bits')
const model = await laidVision('llava_clip', 'llava_clip', dir)
const held = await golden('llava_clip')
const { train, ...cases } = JSON.parse(await readFile(join(exportsPath, 'llava_clip', 'golden.json'), 'utf8'))
const { tensors, folder: at } = await readSafetensors(join(exportsPath, 'llava_clip', 'golden.safetensors'))

packed("logits and greedy text are PyTorch's with the weights that the blocks stand for", async () => {
  const folder = await openFolder(model, { dtype: 'q4' })
  for (const key of Object.keys(cases)) {
    const { data, shape } = await loadTensor(tensors.get(key)!, at)
    const size = shape[1] * shape[2]
    for (const [row, made] of (await encoded('llava_clip', key, model)).entries()) {
      const ours = (await logitsOf(folder, made)).slice(-size)
      const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(data[row * size + i]))), 0)
      if (process.env.SHOW) console.log('q4', key, apart)
      assert.ok(apart < 1e-4, `${key}: logits differ by ${apart}`)
    }
  }
  const greedy = Object.fromEntries(Object.keys(cases).map(key => [key, { ...held.cases[key], ...cases[key] }]))
  assert.not.equal(greedy, held.cases)
  await writesAlike(model, { ...held, cases: greedy }, Object.keys(cases), 'q4')
})

packed("loss and gradients of an adapter beside the blocks are PyTorch's", async () => {
  const folder = await openFolder(model, { dtype: 'q4', adapter: join(exportsPath, 'llava_clip', 'adapter') })
  const { reading } = await openPolicy(folder, { trainVision: false, lora: { rank: 1, alpha: 1, seed: 0 } })
  const graphs = await Promise.all(folder.graphs.map(async part => [part, (await folder.graph(part)).graph] as const))
  const decoder = graphs.at(-1)![1]
  const weights = [...decoder.initializers.keys()].filter(key => key.includes('.lora_'))
  assert.is(weights.length, 16)
  const parts = learnable(Object.fromEntries(graphs), weights.map(name => ({ name, start: decoder.initializers.get(name)!, decays: true }))) // biome-ignore format: one thought
  const sequences = await labelled(held, await encoded('llava_clip', 'mixed', model))
  const ran = await differentiated(parts, weights, sequences, folder.onnx, reading)
  const loss = Number(ran.loss.data[0])
  assert.ok(Math.abs(loss - train.loss) < 1e-4, `loss ${loss}, expected ${train.loss}`)
  for (const weight of weights) {
    const theirs = (await loadTensor(tensors.get(`grad.${weight}`)!, at)).data as Float32Array
    alike(ran[`grad.${weight}`].data as Float32Array, theirs, `q4: ${weight}`)
  }
})

packed.run()
