/**
 * Checkpoints as OpenGVLab ships them, converted and captioned with: InternVL3's with vocab.json and merges.txt,
 * InternVL2.5's with a language model and a sentencepiece tokenizer of InternLM2's.
 */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createFolder } from '../../src/models/create.ts'
import { older } from '../models/older.ts'
import { linesOf, rowsOf, sophia, temporary } from './sophia.ts'

const test = suite('tokenizers')
const dir = temporary()
const at = (name: string) => join(dir, name)
const golden = 'fixtures/golden'
writeFileSync(at('see.txt'), 'Look.\n')
const problems = ['tall', 'tile'].map(name => ({ id: name, images: [`${name}.png`], question: 'What?', answer: 1 }))

/** Converts and captions. */
async function captions(from: string, out: string) {
  const made = await sophia(['convert', from, '-o', out])
  assert.is(made.code, 0, made.stderr)
  assert.ok(existsSync(join(out, 'tokenizer.json')))
  const flags = ['--model', out, '--images', `${golden}/models/internvl`, '--captions', '2', '--prompt', at('see.txt')]
  const sampling = ['--max-tokens', '9', '--device', 'cpu', '--seed', '3', '-q']
  const { code, stdout, stderr } = await sophia(['caption', ...flags, ...sampling], linesOf(problems))
  assert.equal([code, stderr], [0, ''])
  const rows = rowsOf<{ id: string; caption: { text: string; tokens: number } }>(stdout)
  assert.equal(
    rows.map(({ id }) => id),
    ['tall', 'tall', 'tile', 'tile'],
  )
  for (const { caption } of rows) assert.ok(caption.tokens > 0 && typeof caption.text === 'string')
  return rows
}

test('vocab.json and merges.txt: the captions of the model whose tokenizer.json they were', async () => {
  const from = await older('internvl_chat', at('internvl3'))
  const rows = await captions(from, at('internvl3-onnx'))
  cpSync(`${golden}/models/internvl_chat`, at('whole'), { recursive: true })
  for (const file of ['tokenizer_config.json', 'generation_config.json'])
    writeFileSync(at(`whole/${file}`), readFileSync(at(`internvl3-onnx/${file}`)))
  await sophia(['convert', at('whole'), '-o', at('whole-onnx')])
  const flags = ['--model', at('whole-onnx'), '--images', `${golden}/models/internvl`, '--captions', '2']
  const rest = ['--prompt', at('see.txt'), '--max-tokens', '9', '--device', 'cpu', '--seed', '3', '-q']
  const { stdout } = await sophia(['caption', ...flags, ...rest], linesOf(problems))
  assert.equal(rows, rowsOf(stdout))
  const back = await sophia(['convert', at('internvl3-onnx'), '--to', 'safetensors', '-o', at('internvl3-back')])
  assert.is(back.code, 0, back.stderr)
  assert.ok(readFileSync(at('internvl3-back/model.safetensors')).equals(readFileSync(join(from, 'model.safetensors'))))
})

test('a sentencepiece model, and a class of the repository itself', async () => {
  const config = JSON.parse(readFileSync(`${golden}/models/internvl_chat/config.json`, 'utf8'))
  const text = JSON.parse(readFileSync(`${golden}/models/internlm2/config.json`, 'utf8'))
  const [llm, vocab_size] = ['internlm2', 824]
  const llm_config = { ...text, vocab_size, max_position_embeddings: 512, rope_scaling: null, eos_token_id: 2 }
  const files = readdirSync(`${golden}/tokenizers/${llm}`).filter(name => name !== 'golden.json')
  const held = Object.fromEntries(files.map(name => [name, readFileSync(`${golden}/tokenizers/${llm}/${name}`)]))
  await createFolder(at('internvl2_5'), { ...config, tie_word_embeddings: false, llm_config }, held, { seed: 4 })
  await captions(at('internvl2_5'), at('internvl2_5-onnx'))
  const { eos_token_id } = JSON.parse(readFileSync(at('internvl2_5-onnx/generation_config.json'), 'utf8'))
  assert.equal(eos_token_id, [2, 804]) // InternLM2's own, and what ends a turn
})

test('one that cannot be read is no model, and what to do', async () => {
  cpSync(`${golden}/models/llama`, at('bad'), { recursive: true })
  writeFileSync(at('bad/tokenizer.model'), 'version https://git-lfs.github.com/spec/v1')
  const { code, stderr } = await sophia(['convert', at('bad'), '-o', at('bad-onnx')])
  assert.is(code, 1)
  assert.match(stderr, /bad\/tokenizer\.model: expected a sentencepiece model.*AutoTokenizer/s)
  assert.not(existsSync(at('bad-onnx')))
})

test.run()
