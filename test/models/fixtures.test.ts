/**
 * The tiny models of fixtures/: Hugging Face, transformers.js and our graphs compute the same from the same folder.
 * The goldens are made by fixtures/golden/make_fixtures.py.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AutoModelForCausalLM, AutoModelForImageTextToText, Tensor } from '@huggingface/transformers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HostTensor } from '../../src/graph/session.ts'
import { readRows } from '../../src/io/source.ts'
import { openChat } from '../../src/models/chat.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import { apart, Runner } from './tiny.ts'

const test = suite('models: the tiny models')
const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url))

const theirs = ({ dtype, shape, data }: HostTensor) => new Tensor(dtype as 'float32', data as Float32Array, shape)
const ours = ({ dims, data }: Tensor): HostTensor => ({ dtype: 'float32', shape: dims, data: data as Float32Array })

for (const name of ['reasoner', 'policy']) {
  const path = join(fixtures, name)
  const golden = async () => {
    const { folder, tensors } = await readSafetensors(join(fixtures, 'golden', name, 'golden.safetensors'))
    const tensor = (key: string) => loadTensor(tensors.get(`train.${key}`)!, folder)
    const [ids, mask, logits] = await Promise.all(['input_ids', 'attention_mask', 'logits'].map(tensor))
    return { ids, mask, logits, ...(tensors.has('train.pixel_values') && { pixels: await tensor('pixel_values') }) }
  }

  test(`${name}: our logits are Hugging Face's`, async () => {
    const { logits, ...inputs } = await golden()
    const made = await new Runner(await openFolder(path)).run(inputs)
    const difference = apart(made.logits, logits, inputs.mask)
    assert.ok(difference < 1e-3, `logits differ by ${difference}`)
  })

  test(`${name}: and transformers.js', which loads the folder as it is`, async () => {
    const { ids, mask, logits, pixels } = await golden()
    const auto = name === 'policy' ? AutoModelForImageTextToText : AutoModelForCausalLM
    const model = await auto.from_pretrained(path, { dtype: 'fp32', device: 'cpu', local_files_only: true })
    const pictures = pixels && { pixel_values: theirs(pixels) }
    const made = await model({ input_ids: theirs(ids), attention_mask: theirs(mask), ...pictures })
    const difference = apart(ours(made.logits), logits, mask)
    assert.ok(difference < 1e-3, `logits differ by ${difference}`)
    await model.dispose()
  })

  test(`${name}: tokens and pixels are Hugging Face's`, async () => {
    const { ids, mask, pixels } = await golden()
    const { rows } = JSON.parse(readFileSync(join(fixtures, 'golden', name, 'golden.json'), 'utf8'))
    const chat = await openChat(await openFolder(path))
    const images: Uint8Array[] = []
    for await (const row of readRows(join(fixtures, 'world/test.parquet'))) {
      images.push((row.images as { bytes: Uint8Array }[])[0].bytes)
      if (images.length === rows.length) break
    }
    const length = ids.shape[1]
    for (const [i, { question, completion }] of rows.entries()) {
      const seen = pixels ? [images[i]] : []
      const user = { role: 'user' as const, text: question, images: seen.length }
      const encoded = await chat.encode([user], seen, { generation: true })
      const row = Array.from(ids.data.subarray(i * length, (i + 1) * length) as BigInt64Array, Number)
      const start = Number((mask.data as BigInt64Array).subarray(i * length).indexOf(1n))
      assert.equal([...encoded.ids], row.slice(start, start + encoded.ids.length), question)
      assert.ok(completion.length > 0)
      if (!pixels) continue
      const { data } = encoded.vision!.pixel_values
      const size = data.length
      const [a, b] = [data as Float32Array, pixels.data.subarray(i * size, (i + 1) * size) as Float32Array]
      assert.ok(
        a.every((x, j) => Math.abs(x - b[j]) < 1e-5),
        'pixels',
      )
    }
  })
}

test.run()
