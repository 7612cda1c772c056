/**
 * Vision-language models as the Hub's folders for transformers.js have them: tower and embeddings by PyTorch's exporter,
 * the decoder by optimum (llava: CLIP, with variants) and by onnxruntime-genai (smolvlm). Against the goldens of
 * Hugging Face for the same weights, with pictures of odd sizes: fixtures/golden/make_vlm_exports.py.
 */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lower } from '../../src/autodiff/blocks.ts'
import { gradients } from '../../src/autodiff/reverse.ts'
import { createGenerator } from '../../src/generate/index.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { openFolder } from '../../src/models/folder.ts'
import { forward as learn } from '../../src/train/forward.ts'
import { cut, declare, lay, type Sequence } from '../../src/train/micro.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { alike, laidVision, picked, places } from './exports.ts'
import { golden, scratch } from './tiny.ts'
import { encoded, logitsOf } from './whole.ts'

const dir = scratch()

for (const [name, source] of Object.entries({ llava: 'llava', llava_clip: 'llava_clip', smolvlm: 'smolvlm' })) {
  const test = suite(`models: ${name} exported`)
  const model = laidVision(name, source, dir)
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
    const sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 10 }
    const generator = await createGenerator({ model, device: 'cpu', sampling, quiet: true })
    for (const key of keys) {
      const { messages, images, greedy_text } = held.cases[key]
      const requests = await Promise.all(
        messages.map(async (turns, i) => ({
          messages: turns,
          images: await Promise.all((images?.[i] ?? []).map(held.picture)),
          keys: [key, i],
        })),
      )
      const texts: string[] = []
      for await (const made of generator.generate(requests))
        texts.push('error' in made ? made.error.message : made.text)
      assert.equal(texts, greedy_text, key)
    }
    await generator.close()
  })

  test('loss and the gradient of every tensor', async () => {
    const folder = await openFolder(model)
    const { parts, reading, trained } = await openPolicy(folder, { trainVision: true })
    const { loss, of } = held.cases.train as unknown as { loss: number; of: string }
    const [labels, mask] = [await held.tensor('train.labels'), await held.tensor('train.attention_mask')]
    const count = (labels.data as BigInt64Array).reduce((sum, label) => sum + (label >= 0n ? 1 : 0), 0)
    const length = labels.shape[1]
    const sequences = (await encoded(source, of, model)).map(({ ids, vision, positions }, row): Sequence => {
      const start = row * length + (mask.data as BigInt64Array).subarray(row * length).indexOf(1n)
      const learnt = Uint8Array.from(ids, (_, t) => (Number(labels.data[start + t]) >= 0 ? 1 : 0))
      return { ids: Int32Array.from(ids), learnt, weight: 1 / count, vision, positions }
    })
    const g = new Graph('gradients')
    declare(g, reading)
    const made = learn(g, parts, cut(g, g.ints(0), reading))
    g.output(made.loss, 'loss')
    const weights = trained.map(each => each.name)
    const found = gradients(g, made.loss, weights)
    for (const weight of weights) g.output(found.get(weight)!, `grad.${weight}`)
    lower(g)
    const session = await openSession(modelOf(g), { threads: 1, folder: folder.onnx })
    const ran = await session.run(lay([sequences], reading).feeds)
    await session.close()
    assert.ok(Math.abs(Number(ran.loss.data[0]) - loss) < 1e-4, `loss ${ran.loss.data[0]}, expected ${loss}`)
    const graphs = await Promise.all(folder.graphs.map(async part => (await folder.graph(part)).graph))
    const at = places(graphs, weights)
    const seen = new Set<string>()
    for (const key of held.names.filter(key => key.startsWith('grad.'))) {
      const theirs = (await held.tensor(key)).data as Float32Array
      const own = (weight: string) => {
        const place = at(weight)
        seen.add(place.name)
        return picked(ran[`grad.${place.name}`], place, theirs.length)
      }
      const weight = key.slice('grad.'.length)
      const ours = own(weight)
      // Exported apart, the two ends of a tied embedding are two tensors.
      const head = weight.endsWith('embed_tokens.weight') && tied ? own('lm_head.weight') : undefined
      alike(head ? ours.map((x, i) => x + head[i]) : ours, theirs, `${name}: ${weight}`)
    }
    assert.equal([...seen].sort(), weights.sort())
  })

  test.run()
}
