/**
 * Every architecture against Hugging Face, on tiny random models: tokens and pictures as its processors make them,
 * logits, greedy text by the real engine, and the gradient of every tensor as training takes it.
 * Goldens: fixtures/golden/make_*.py.
 */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Encoded, openChat } from '../../src/models/chat.ts'
import { openFolder } from '../../src/models/folder.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { differentiated, labelled, writesAlike } from './learnt.ts'
import { golden, goldenPath } from './tiny.ts'
import { logitsOf } from './whole.ts'

/** Name of the folder → the folder whose goldens hold for it, and the limits where they are not the usual ones. */
const ARCHITECTURES: Record<string, string> = {
  qwen2: 'qwen2',
  llava: 'llava',
  llava_clip: 'llava_clip',
  llava_onevision: 'llava_onevision',
  idefics3: 'idefics3',
  smolvlm: 'smolvlm',
  internvl: 'internvl', // a tower like InternViT-6B's
  internvl_300m: 'internvl_300m',
  internvl_chat: 'internvl',
  qwen2_vl: 'qwen2_vl',
  qwen2_5_vl: 'qwen2_5_vl',
}

for (const [name, truth] of Object.entries(ARCHITECTURES)) {
  const test = suite(`models: ${name} is Hugging Face's`)
  const path = goldenPath(name)
  const held = await golden(truth)
  const keys = Object.keys(held.cases).filter(key => key !== 'train')
  const same = name === truth // another layout of the same weights: other names, another template

  /** The rows of a case as our processor encodes them. */
  async function encoded(key: string, blind = false): Promise<Encoded[]> {
    const chat = await openChat(await openFolder(held.path))
    const { messages, images } = held.cases[key]
    return Promise.all(
      messages.map(async (turns, i) =>
        chat.encode(turns, await Promise.all((images?.[i] ?? []).map(held.picture)), { generation: true, blind }),
      ),
    )
  }

  if (same)
    test('tokens and pictures', async () => {
      for (const key of keys) {
        const rows = await encoded(key)
        assert.equal(
          rows.map(({ ids }) => ids),
          held.cases[key].ids,
          key,
        )
        assert.equal(
          (await encoded(key, true)).map(({ ids, vision }) => [ids, vision]),
          held.cases[key].ids.map(ids => [ids, undefined]),
        )
        // What our graphs take beside what Hugging Face's models do shows in the logits.
        const inputs = Object.keys(rows[0].vision ?? {}).filter(input => held.names.includes(`${key}.${input}`))
        assert.is(inputs.includes('pixel_values'), 'vision' in rows[0], key)
        for (const input of inputs) {
          const ours = rows.flatMap(({ vision }) => Array.from((vision?.[input].data ?? []) as Float32Array, Number))
          const theirs = Array.from((await held.tensor(`${key}.${input}`)).data as Float32Array, Number)
          assert.is(ours.length, theirs.length, `${key}: ${input}`)
          const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - theirs[i])), 0)
          assert.ok(apart < 1e-5, `${key}: ${input} differs by ${apart}`)
        }
      }
    })

  if (!same)
    test('its own template and settings give the same pictures', async () => {
      const [chat, theirs] = await Promise.all([path, held.path].map(async at => openChat(await openFolder(at))))
      const images = await Promise.all(held.cases.two.images![0].map(held.picture))
      const turns = [{ role: 'user' as const, text: 'Compare the two.', images: images.length }]
      const [ours, other] = await Promise.all([chat, theirs].map(c => c.encode(turns, images, { generation: true })))
      assert.equal(ours, other)
    })

  test('logits', async () => {
    const folder = await openFolder(path)
    for (const key of keys) {
      const mask = await held.tensor(`${key}.attention_mask`)
      const whole = await held.tensor(`${key}.logits`)
      for (const [row, made] of (await encoded(key)).entries()) {
        const logits = await logitsOf(folder, made)
        const [, length, width] = whole.shape
        const start = (mask.data as BigInt64Array).subarray(row * length).indexOf(1n)
        const theirs = whole.data.subarray((row * length + start) * width, (row + 1) * length * width) as Float32Array
        assert.is(logits.length, theirs.length)
        const apart = theirs.reduce((most, x, i) => Math.max(most, Math.abs(x - logits[i])), 0)
        assert.ok(apart < 1e-4, `${key}, row ${row}: logits differ by ${apart}`)
      }
    }
  })

  if (same)
    test('greedy text', async () => {
      await writesAlike(path, held, keys)
    })

  if (held.cases.train && same)
    test('loss and the gradient of every tensor', async () => {
      const folder = await openFolder(path)
      const { parts, reading } = await openPolicy(folder, { trainVision: true })
      const { loss, of } = held.cases.train as unknown as { loss: number; of: string }
      const weights = [...held.names].filter(key => key.startsWith('grad.')).map(key => key.slice('grad.'.length))
      assert.ok(weights.length > 20)
      const sequences = await labelled(held, await encoded(of))
      const ran = await differentiated(parts, weights, sequences, folder.onnx, reading)
      assert.ok(Math.abs(Number(ran.loss.data[0]) - loss) < 1e-5, `loss ${ran.loss.data[0]}, expected ${loss}`)
      for (const weight of weights) {
        const [ours, theirs] = [ran[`grad.${weight}`], await held.tensor(`grad.${weight}`)]
        assert.equal(ours.shape, theirs.shape, weight)
        const [x, y] = [ours.data as Float32Array, theirs.data as Float32Array]
        const error = Math.hypot(...x.map((v, i) => v - y[i])) / Math.max(Math.hypot(...y), 1e-2)
        assert.ok(error < 1e-4, `${weight}: relative error ${error}`)
      }
    })

  test.run()
}
