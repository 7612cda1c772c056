/** What can be wrong with a checkpoint, or with the place for a folder: told with what was expected and what to do. */

import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Config } from '../../src/models/config.ts'
import { convert } from '../../src/models/convert.ts'
import { shapesOf } from '../../src/models/create.ts'
import { completed } from '../../src/models/defaults.ts'
import { openFolder } from '../../src/models/folder.ts'
import { readSafetensors } from '../../src/models/safetensors.ts'
import { copyPlain } from '../../src/models/write.ts'
import { complaint, goldenPath, scratch } from './tiny.ts'

const test = suite('models: faults')
const dir = scratch()
const INDEX = 'model.safetensors.index.json'

/** A copy of a golden, to be broken. */
async function copyOf(name: string, as: string): Promise<string> {
  const path = join(dir, as)
  await cp(goldenPath(name), path, { recursive: true })
  return path
}

test('an index that is none, shards without one, a shard that is missing', async () => {
  const path = await copyOf('llama', 'shards')
  const say = () => complaint(() => openFolder(path))
  const index = await readFile(join(path, INDEX), 'utf8')
  for (const text of ['{', 'null', '{}', '{"weight_map":{"a":1}}']) {
    await writeFile(join(path, INDEX), text)
    assert.match(await say(), /index\.json: expected the index of a checkpoint.*Fetch it again/, text)
  }
  await rm(join(path, INDEX))
  assert.match(await say(), /found .*model-00001-of-00003.*Shards need their model\.safetensors\.index\.json/)
  await writeFile(join(path, INDEX), index)
  await rm(join(path, 'model-00002-of-00003.safetensors'))
  assert.match(await say(), /model-00002-of-00003\.safetensors: expected a \.safetensors file, found none. Fetch/)
})

test('weights of other kinds', async () => {
  const path = await copyOf('qwen2', 'others')
  await rm(join(path, 'model.safetensors'))
  await rm(join(path, 'golden.safetensors'))
  const say = () => complaint(() => openFolder(path, { checkpoint: true }))
  assert.match(await say(), /expected model\.safetensors beside config\.json, found no weights$/)
  await mkdir(join(path, 'onnx'))
  assert.match(await say(), /found onnx\. Start from the checkpoint/)
  await writeFile(join(path, 'pytorch_model.bin'), '')
  assert.match(await say(), /found onnx, pytorch_model\.bin\. Save the weights as safetensors/)
})

test('headers that tell nothing, or nonsense', async () => {
  const path = join(dir, 'header.safetensors')
  const say = async (header: unknown) => {
    const json = Buffer.from(JSON.stringify(header))
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(json.length))
    await writeFile(path, Buffer.concat([length, json, Buffer.alloc(64)]))
    return complaint(() => readSafetensors(path))
  }
  assert.match(await say(null), /its header is no JSON object/)
  assert.match(await say({ a: {} }), /tensor a has dtype undefined/)
  assert.match(await say({ a: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] } }), /F8_E4M3.*16 or 32 bits/)
  assert.match(await say({ a: { dtype: 'F32', shape: [4] } }), /not a whole \.safetensors file \(tensor a/)
  assert.match(await say({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 8] } }), /tensor a: F32 \[4\] at 0,8/)
})

/** A field that is left out of a golden's config, and what is said then. */
const fields: [name: string, part: string | undefined, field: string][] = [
  ['qwen2', undefined, 'intermediate_size'],
  ['qwen2', undefined, 'rms_norm_eps'],
  ['qwen3', undefined, 'num_attention_heads'],
  ['internvl_chat', 'llm_config', 'model_type'],
  ['internvl_chat', 'vision_config', 'num_hidden_layers'],
  ['internvl_chat', 'vision_config', 'patch_size'],
  ['llava', undefined, 'vision_config'],
  ['smolvlm', undefined, 'vision_config'],
]
test('a field that the config lacks is named', async () => {
  for (const [name, part, field] of fields) {
    const path = await copyOf(name, `lacks-${name}-${field}`)
    const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))
    delete (part ? config[part] : config)[field]
    await writeFile(join(path, 'config.json'), JSON.stringify(config))
    const message = await complaint(() => openFolder(path, { checkpoint: true }))
    assert.match(message, join(path, 'config.json'), `${name} ${field}`)
    assert.match(message, field, `${name} ${field}`)
  }
})

test('heads that do not share out the width', async () => {
  const path = await copyOf('qwen2', 'heads')
  const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))
  await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, num_attention_heads: 5 }))
  const message = await complaint(() => openFolder(path))
  assert.match(message, /hidden_size 32 to be a multiple of num_attention_heads, got 5/)
})

test('what Hugging Face leaves out of the configs of towers is what its classes say', async () => {
  // As transformers 4 saves a tuned Qwen2.5-VL of 3B: only what differs from Qwen2_5_VLVisionConfig's defaults.
  const config: Config = JSON.parse(await readFile(join(goldenPath('qwen2_5_vl'), 'config.json'), 'utf8'))
  const vision_config = { hidden_size: 1280, in_chans: 3, model_type: 'qwen2_5_vl', out_hidden_size: 24 }
  const shapes = shapesOf(completed({ ...config, vision_config }))
  const blocks = [...shapes.keys()].map(name => /^visual\.blocks\.(\d+)\./.exec(name)?.[1]).filter(block => block)
  assert.is(new Set(blocks).size, 32)
  assert.equal(shapes.get('visual.blocks.31.mlp.gate_proj.weight'), [3420, 1280])
  assert.equal(shapes.get('visual.patch_embed.proj.weight'), [1280, 3, 2, 14, 14])
})

test('a place that cannot be written is not our bug, and a source for reading only is no hindrance', async () => {
  const file = join(dir, 'file')
  await writeFile(file, '')
  const message = await complaint(() => convert(goldenPath('qwen2'), join(file, 'folder'), { verify: false }))
  assert.match(message, /folder: cannot be written: .*choose another place/)
  const [from, to] = [join(dir, 'from'), join(dir, 'to')]
  for (const folder of [from, to]) await mkdir(folder)
  await writeFile(join(from, 'config.json'), '{}', { mode: 0o444 })
  await copyPlain(from, to)
  assert.is((await stat(join(to, 'config.json'))).mode & 0o200, 0o200)
})

test.run()
