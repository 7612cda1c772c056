/**
 * Tokenizers made of vocab.json and merges.txt, or of a sentencepiece model, as transformers.js runs them, beside what
 * Python makes of the same files (fixtures/golden/make_tokenizers.py), and what else a converted checkpoint needs to talk.
 */

import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AutoTokenizer } from '@huggingface/transformers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openChat } from '../../src/models/chat.ts'
import { convert, extract } from '../../src/models/convert.ts'
import { openFolder } from '../../src/models/folder.ts'
import { writeTokenizer } from '../../src/models/tokenizers/tokenizer.ts'
import { older } from './older.ts'
import { complaint, golden, goldenPath, scratch } from './tiny.ts'

const test = suite('models: tokenizers')
const dir = scratch()
const tokenizers = fileURLToPath(new URL('../../fixtures/golden/tokenizers', import.meta.url))
const read = async (...path: string[]) => JSON.parse(await readFile(join(...path), 'utf8'))

interface Golden {
  ids: number[][]
  begun: number[]
  /** null: the text that was encoded. */
  whole?: (string | null)[]
  plain: (string | null)[]
  soup: { ids: number[]; plain: string }[]
}

async function made(name: string, model_type: string): Promise<string> {
  const out = join(dir, name)
  await mkdir(out, { recursive: true })
  await writeTokenizer(join(tokenizers, name), out, { model_type })
  return out
}

/** transformers.js loses byte order marks that came as bytes. */
const unmarked = (text: string) => text.replaceAll('\ufeff', '')

for (const [name, type] of Object.entries({
  qwen2: 'qwen2',
  qwen2_older: 'qwen2',
  llama: 'llama',
  llama_older: 'llama',
  internlm2: 'internlm2',
  internlm2_spaces: 'internlm2',
})) {
  test(`${name}: tokens of texts and texts of tokens are Python's`, async () => {
    const texts: string[] = await read(tokenizers, 'texts.json')
    const { ids, begun, whole, plain, soup }: Golden = await read(tokenizers, name, 'golden.json')
    const tokenizer = await AutoTokenizer.from_pretrained(await made(name, type), { local_files_only: true })
    const text = (row: number[], skip_special_tokens: boolean) =>
      row.length === 0 ? '' : tokenizer.decode(row, { skip_special_tokens, clean_up_tokenization_spaces: false })
    const known = type === 'qwen2' ? (held: string) => held : unmarked
    assert.is(ids.length, texts.length)
    for (const [i, held] of texts.entries()) {
      assert.equal(tokenizer.encode(held, { add_special_tokens: false }), ids[i], JSON.stringify(held))
      assert.is(text(ids[i], true), known(plain[i] ?? held), JSON.stringify(held))
      if (whole) assert.is(text(ids[i], false), known(whole[i] ?? held), JSON.stringify(held))
    }
    for (const row of soup) assert.is(text(row.ids, true), row.plain, `${row.ids}`)
    assert.equal(tokenizer.encode(texts[25]), begun)
  })
}

test('settings are made such that transformers.js follows them', async () => {
  const internlm2 = await read(await made('internlm2', 'internlm2'), 'tokenizer_config.json')
  assert.is(internlm2.tokenizer_class, 'PreTrainedTokenizerFast')
  assert.is(internlm2.auto_map, undefined)
  assert.match(internlm2.chat_template, /im_start/)
  const llama = await read(await made('llama_older', 'llama'), 'tokenizer_config.json')
  assert.equal(
    [llama.tokenizer_class, llama.bos_token, llama.eos_token, llama.unk_token, llama.pad_token],
    ['LlamaTokenizer', '<s>', '</s>', '<unk>', '<unk>'],
  )
  const alone = join(dir, 'alone') // tokenizer.model and nothing else
  await mkdir(alone)
  await cp(join(tokenizers, 'llama', 'tokenizer.model'), join(alone, 'tokenizer.model'))
  await writeTokenizer(alone, alone, { model_type: 'llama' })
  const tokenizer = await AutoTokenizer.from_pretrained(alone, { local_files_only: true })
  const { ids, begun }: Golden = await read(tokenizers, 'llama', 'golden.json')
  const texts: string[] = await read(tokenizers, 'texts.json')
  assert.equal(tokenizer.encode(texts[25]), begun)
  assert.equal([tokenizer.bos_token, tokenizer.eos_token], ['<s>', '</s>'])
  for (const [i, text] of texts.entries()) if (!/<pad>|<image>/.test(text)) assert.equal(tokenizer.encode(text, { add_special_tokens: false }), ids[i]) // biome-ignore format: one thought
})

test('what cannot be read is refused, by what it is', async () => {
  const attempt = async (files: Record<string, string | Uint8Array>) => {
    const from = join(dir, `refused-${Math.random()}`)
    await mkdir(from)
    for (const [name, content] of Object.entries(files)) await writeFile(join(from, name), content)
    const message = await complaint(() => writeTokenizer(from, from, { model_type: 'llama' }))
    assert.equal(await readdir(from), Object.keys(files))
    return message
  }
  // sentencepiece_model.proto: pieces 1, trainer_spec 2 (model_type 3), normalizer_spec 3 (precompiled_charsmap 2)
  const piece = [0x0a, 3, 0x0a, 1, 97]
  const model = (...rest: number[]) => attempt({ 'tokenizer.model': Uint8Array.from([...piece, ...rest]) })
  assert.match(await model(), /tokenizer\.model: expected BPE .*of kind unigram.*save_pretrained/)
  assert.match(await model(0x12, 2, 0x18, 4), /of kind character/)
  assert.match(await model(0x12, 2, 0x18, 2, 0x1a, 8, 0x0a, 3, 97, 98, 99, 0x12, 1, 0), /normalizes texts \(abc\)/)
  assert.match(await model(0x12, 2, 0x18, 2, 0x1a, 2, 0x28, 0), /does not write a space/)
  assert.match(await attempt({ 'tokenizer.model': 'version https://git-lfs' }), /expected a sentencepiece model/)
  assert.match(
    await attempt({ 'merges.txt': '', 'tokenizer_config.json': '{"tokenizer_class": "GPT2TokenizerFast"}', 'vocab.json': '{}' }), // biome-ignore format: one line
    /expected vocab\.json and merges\.txt of a Qwen2Tokenizer, got a GPT2Tokenizer's/,
  )
  assert.match(
    await attempt({ 'merges.txt': '#version: 0.2\na b\na b c\n', 'tokenizer_config.json': '{"tokenizer_class": "Qwen2Tokenizer"}', 'vocab.json': '{}' }), // biome-ignore format: one line
    /merges\.txt:3: expected two pieces.*"a b c"/,
  )
})

test('a converted checkpoint without tokenizer.json talks as one that has it, and goes back', async () => {
  const source = await older('internvl_chat', join(dir, 'internvl_chat'))
  const folder = await openFolder(source)
  assert.match(await complaint(() => openChat(folder)), /expected tokenizer\.json.*sophia convert makes them/)
  const out = join(dir, 'converted')
  await convert(source, out)
  const [ours, whole] = [await openFolder(out), await openFolder(goldenPath('internvl_chat'))]
  assert.is(ours.imageToken, whole.imageToken)
  assert.equal([...ours.eos].sort(), [...whole.eos].sort()) // the end of a turn stops, whatever the configs said
  const [chat, other] = [await openChat(ours), await openChat(whole)]
  const { cases, picture } = await golden('internvl')
  for (const key of ['one', 'two']) {
    const images = await Promise.all(cases[key].images![0].map(picture))
    const [messages] = cases[key].messages
    const told = [{ role: 'system' as const, text: 'Look.' }, ...messages.filter(({ role }) => role !== 'system')]
    const [a, b] = [await chat.encode(told, images, { generation: true }), await other.encode(told, images, { generation: true })] // biome-ignore format: one line
    assert.equal(a, b)
    assert.is(chat.decode(a.ids), other.decode(b.ids))
  }
  // As conversation.py of OpenGVLab's repositories writes `internvl2_5`.
  assert.is(
    chat.text([{ role: 'user', text: 'Hm?', images: 1 }], { generation: true }),
    '<|im_start|>system\n你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。<|im_end|>\n' +
      '<|im_start|>user\n<image>\nHm?<|im_end|>\n<|im_start|>assistant\n',
  )
  assert.is(
    chat.text([{ role: 'user', text: 'A' }, { role: 'assistant', text: 'B' }, { role: 'user', text: 'C' }], { generation: false }).split('<|im_end|>\n').slice(1).join('|'), // biome-ignore format: one line
    '<|im_start|>user\nA|<|im_start|>assistant\nB|<|im_start|>user\nC|',
  )
  const back = join(dir, 'back')
  await extract(out, back)
  const files = (await readdir(source)).sort()
  assert.equal((await readdir(back)).sort(), [...files, 'tokenizer.json'].sort())
  for (const file of files.filter(name => !/^(tokenizer|generation)_config/.test(name)))
    assert.equal(await readFile(join(back, file)), await readFile(join(source, file)), file)
})

test('a checkpoint that has a tokenizer.json, or nothing to make one of, keeps what it has', async () => {
  const files = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']
  await convert(goldenPath('internvl_chat'), join(dir, 'same'))
  for (const file of files)
    assert.equal(await readFile(join(dir, 'same', file)), await readFile(goldenPath(`internvl_chat/${file}`)), file)
  await convert(goldenPath('internlm2'), join(dir, 'mute'))
  assert.not(existsSync(join(dir, 'mute', 'tokenizer.json')))
})

test.run()
