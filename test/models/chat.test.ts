/** Text and pictures become the tokens and pixels that Hugging Face's processors make of them. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openChat } from '../../src/models/chat.ts'
import { openFolder } from '../../src/models/folder.ts'
import { golden } from './tiny.ts'

const test = suite('models: chat')
const generation = true

for (const name of ['qwen2', 'llava']) {
  test(`${name}: text, tokens and pixels are Hugging Face's`, async () => {
    const { path, cases, tensor, picture } = await golden(name)
    const chat = await openChat(await openFolder(path))
    for (const [key, { messages, images, texts, ids }] of Object.entries(cases)) {
      if (key === 'train') continue
      const seen: number[] = []
      for (const [i, turns] of messages.entries()) {
        const pictures = await Promise.all((images?.[i] ?? []).map(picture))
        assert.is(chat.text(turns, { generation }), texts[i])
        const encoded = await chat.encode(turns, pictures, { generation })
        assert.equal(encoded.ids, ids[i])
        if (encoded.vision) seen.push(...(encoded.vision.pixel_values.data as Float32Array))
        const { ids: unseen, ...rest } = await chat.encode(turns, pictures, { generation, blind: true })
        assert.equal([unseen, rest], [ids[i], {}])
      }
      if (!images) continue
      const { data } = await tensor(`${key}.pixel_values`)
      assert.is(seen.length, data.length)
      const difference = seen.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(data[i]))), 0)
      assert.ok(difference < 1e-6, `${key}: pixels differ by ${difference}`)
    }
  })

  test(`${name}: decoding leaves special tokens out`, async () => {
    const { path, cases } = await golden(name)
    const chat = await openChat(await openFolder(path))
    for (const { greedy, greedy_text } of Object.values(cases)) {
      for (const [i, ids] of (greedy ?? []).entries()) assert.is(chat.decode(ids), greedy_text[i])
    }
    assert.is(chat.decode([]), '')
    const { ids } = await chat.encode([{ role: 'user', text: '<think>a naïve 😀</think>  b' }], [], {
      generation: false,
    })
    assert.is(chat.decode(ids), 'user\n<think>a naïve 😀</think>  b\n')
  })
}

test('pictures and placeholders have to match', async () => {
  const { path, picture } = await golden('llava')
  const chat = await openChat(await openFolder(path))
  const refused = async (text: string, images: number, pictures: Uint8Array[], message: RegExp) => {
    try {
      await chat.encode([{ role: 'user', text, images }], pictures, { generation })
      assert.unreachable()
    } catch (error) {
      assert.is((error as Error).name, 'UserError')
      assert.match((error as Error).message, message)
    }
  }
  const png = await picture('picture0.png')
  await refused('Look', 1, [], /1 image placeholder.* 0 pictures/)
  await refused('Look at <image>', 1, [png], /2 image placeholders <image> for 1 picture/)
  await refused('Look', 1, [Uint8Array.of(1, 2, 3)], /expected PNG/)
})

test('a model without eyes takes no picture', async () => {
  const { path } = await golden('qwen2')
  const chat = await openChat(await openFolder(path))
  try {
    await chat.encode([{ role: 'user', text: 'Look' }], [Uint8Array.of(1)], { generation })
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /takes no pictures/)
  }
})

test.run()
