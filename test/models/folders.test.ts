/** Folders that we write: made anew, saved with other weights; ours, Hugging Face's and the Hub's forms. */

import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readModel, writeModel } from '../../src/graph/proto.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import type { Config } from '../../src/models/config.ts'
import { createFolder } from '../../src/models/create.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, openCheckpoint, tensorBytes } from '../../src/models/safetensors.ts'
import { saveFolder } from '../../src/models/save.ts'
import { apart, complaint, golden, goldenPath, Runner, scratch } from './tiny.ts'

const test = suite('models: folders')
const dir = scratch()
const configOf = (name: string) => JSON.parse(readFileSync(join(goldenPath(name), 'config.json'), 'utf8')) as Config

for (const name of ['qwen2', 'llava']) {
  test(`${name}: a new folder has the tensors that Hugging Face's has, stored once`, async () => {
    const out = join(dir, `new-${name}`)
    await createFolder(
      out,
      configOf(name),
      { 'tokenizer_config.json': { chat_template: '{{ x }}' }, 'note.txt': 'words' },
      { seed: 5 },
    )
    const [ours, theirs] = await Promise.all([out, goldenPath(name)].map(openCheckpoint))
    const shapes = (checkpoint: typeof ours) =>
      [...checkpoint!.tensors].map(([key, { dtype, shape }]) => [key, dtype, shape])
    assert.equal(shapes(ours).sort(), shapes(theirs).sort())
    assert.ok(lstatSync(join(out, 'model.safetensors')).isSymbolicLink())
    assert.is(await readFile(join(out, 'note.txt'), 'utf8'), 'words')
    assert.is(await readFile(join(out, 'chat_template.jinja'), 'utf8'), '{{ x }}') // where Python looks for it
    assert.not(existsSync(`${out}.part`))

    const folder = await openFolder(out)
    const held = await Promise.all(
      [...folder.checkpoint!.tensors].map(async ([key, t]) => [key, await loadTensor(t, folder.onnx)] as const),
    )
    for (const [key, { data, shape }] of held) {
      const values = [...(data as Float32Array)]
      const mean = values.reduce((a, b) => a + b, 0) / values.length
      const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
      if (shape.length === 1) assert.is(mean, key.endsWith('bias') ? 0 : 1, key)
      else assert.ok(Math.abs(deviation - 0.02) < 0.002 && Math.abs(mean) < 0.002, `${key}: ${mean} ± ${deviation}`)
    }
    const again = join(dir, `again-${name}`)
    await createFolder(again, configOf(name), {}, { seed: 5 })
    assert.equal(await readFile(join(again, 'model.safetensors')), await readFile(join(out, 'model.safetensors')))
  })

  test(`${name}: saved with the checkpoint's weights, it computes the same from onnx/`, async () => {
    const { inputs, tensor, path } = await golden(name)
    const source = await openFolder(path)
    const given = await inputs('padded')
    const out = join(dir, `saved-${name}`)
    await saveFolder(source, out, new Map())
    const saved = await openFolder(out)
    assert.is(saved.onnx, join(out, 'onnx'))
    assert.ok(apart((await new Runner(saved).run(given)).logits, await tensor('padded.logits'), given.mask) < 1e-4)
    for (const file of ['config.json', 'tokenizer.json', 'generation_config.json'])
      assert.ok(existsSync(join(out, file)), file)
    assert.not(existsSync(join(out, 'adapter')))
    const [ours, theirs] = [await openCheckpoint(out), source.checkpoint!]
    for (const [key, held] of theirs.tensors) {
      assert.equal(
        await tensorBytes(ours!.tensors.get(key)!, ours!.folder),
        await tensorBytes(held, theirs.folder),
        key,
      )
    }
  })

  test(`${name}: other weights take their places, in the checkpoint and in the graphs`, async () => {
    const { inputs, path } = await golden(name)
    const source = await openFolder(path)
    const given = await inputs('padded')
    const norm = [...source.checkpoint!.tensors.keys()].find(key => key.endsWith('model.norm.weight'))!
    const zero: HostTensor = { dtype: 'float32', shape: [32], data: new Float32Array(32) }
    const out = join(dir, `zeroed-${name}`)
    await saveFolder(source, out, new Map([[norm, zero]]))
    const { logits } = await new Runner(await openFolder(out)).run(given)
    assert.ok((logits.data as Float32Array).every(x => x === 0))
    // and once more, from our own form
    const twice = join(dir, `twice-${name}`)
    const back = await loadTensor(source.checkpoint!.tensors.get(norm)!, source.onnx)
    await saveFolder(await openFolder(out), twice, new Map([[norm, back]]))
    assert.equal(
      await readFile(join(twice, 'model.safetensors')),
      await readFile(join(dir, `saved-${name}`, 'model.safetensors')),
    )
    assert.match(await complaint(() => saveFolder(source, twice, new Map())), /exists already/)
    await saveFolder(source, twice, new Map(), { overwrite: true })
  })
}

test('a weight that the model lacks, or of another shape, is our bug', async () => {
  const source = await openFolder(goldenPath('qwen2'))
  for (const key of ['nothing.weight', 'model.norm.weight']) {
    try {
      await saveFolder(
        source,
        join(dir, 'never'),
        new Map([[key, { dtype: 'float32', shape: [1], data: new Float32Array(1) }]]),
      )
      assert.unreachable()
    } catch (error) {
      assert.match((error as Error).message, /the model has no weight nothing|expected shape \[32\], got \[1\]/)
    }
  }
  assert.not(existsSync(join(dir, 'never')))
})

/** As exports on the Hub are: graphs with their own data files, some constants inside, no checkpoint. */
async function exported(name: string): Promise<string> {
  const { path } = await golden(name)
  const out = join(dir, `export-${name}`)
  await saveFolder(await openFolder(path), out, new Map())
  for (const file of (await readdir(join(out, 'onnx'))).filter(entry => entry.endsWith('.onnx'))) {
    const model = readModel(await readFile(join(out, 'onnx', file)))
    for (const [key, tensor] of model.graph.initializers) {
      const data = await tensorBytes(tensor, join(out, 'onnx'))
      model.graph.initializers.set(key, { dtype: tensor.dtype, shape: tensor.shape, data })
    }
    await writeFile(join(out, 'onnx', file), writeModel(model))
  }
  await rm(join(out, 'onnx', 'model.safetensors'))
  await rm(join(out, 'model.safetensors'))
  return out
}

test('an export without a checkpoint is saved as graphs with data files', async () => {
  const { inputs, tensor, path } = await golden('llava')
  const source = await openFolder(await exported('llava'))
  assert.is(source.checkpoint, undefined)
  const norm = 'language_model.model.norm.weight'
  const original = await openFolder(path)
  const weight = await loadTensor(original.checkpoint!.tensors.get(norm)!, original.onnx)
  const doubled = { ...weight, data: (weight.data as Float32Array).map(x => 2 * x) }
  const out = join(dir, 'export-saved')
  await saveFolder(source, out, new Map([[norm, doubled]]))
  assert.ok(existsSync(join(out, 'onnx', 'decoder_model_merged.onnx_data')))
  const given = await inputs('padded')
  const { logits } = await new Runner(await openFolder(out)).run(given)
  const halved = { ...logits, data: (logits.data as Float32Array).map(x => x / 2) }
  const difference = apart(halved, await tensor('padded.logits'), given.mask)
  assert.ok(difference < 1e-4, `logits differ by ${difference}`)
})

test('shards and the older names are read', async () => {
  const { inputs, tensor, path } = await golden('llava')
  const old = join(dir, 'old')
  await cp(path, old, { recursive: true })
  // vision_tower.vision_model.… in place of vision_tower.…, in a header as long as it has to be
  const bytes = await readFile(join(old, 'model.safetensors'))
  const length = Number(bytes.readBigUInt64LE(0))
  const header = bytes
    .subarray(8, 8 + length)
    .toString()
    .replaceAll('"vision_tower.', '"vision_tower.vision_model.')
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(header.length))
  await rm(join(old, 'model.safetensors'))
  await writeFile(
    join(old, 'model-00001-of-00001.safetensors'),
    Buffer.concat([size, Buffer.from(header), bytes.subarray(8 + length)]),
  )
  const { __metadata__, ...entries } = JSON.parse(header)
  const weight_map = Object.fromEntries(Object.keys(entries).map(key => [key, 'model-00001-of-00001.safetensors']))
  await writeFile(join(old, 'model.safetensors.index.json'), JSON.stringify({ weight_map }))
  const given = await inputs('one')
  const folder = await openFolder(old)
  assert.ok(apart((await new Runner(folder).run(given)).logits, await tensor('one.logits'), given.mask) < 1e-4)
  const out = join(dir, 'old-saved')
  await saveFolder(folder, out, new Map())
  assert.ok(
    apart((await new Runner(await openFolder(out)).run(given)).logits, await tensor('one.logits'), given.mask) < 1e-4,
  )
  assert.not(existsSync(join(out, 'model.safetensors.index.json')))
})

test('what a folder says of itself', async () => {
  const llava = await openFolder(goldenPath('llava'))
  assert.equal(llava.decoder, { layers: 2, hidden: 32, vocab: 272, kvHeads: 2, headDim: 8 })
  assert.equal([llava.kind, llava.eos, llava.imageToken], ['vlm', [266, 264], 267])
  const qwen = await openFolder(goldenPath('qwen2'))
  assert.equal([qwen.kind, qwen.graphs, qwen.imageToken], ['lm', ['model'], undefined])
  assert.is(await qwen.graph('model'), await qwen.graph('model'))
})

test('faults are told with what to do', async () => {
  const broken = join(dir, 'broken')
  const say = () => complaint(() => openFolder(broken))
  assert.match(await say(), /no such folder/)
  await mkdir(broken)
  assert.match(await say(), /found no config\.json/)
  await writeFile(join(broken, 'config.json'), '{')
  assert.match(await say(), /config\.json: expected JSON/)
  await writeFile(join(broken, 'config.json'), '{}')
  assert.match(await say(), /expected a model_type/)
  await cp(join(goldenPath('llava'), 'config.json'), join(broken, 'config.json'))
  assert.match(await say(), /expected onnx\/\*\.onnx or model\.safetensors/)
  await mkdir(join(broken, 'onnx'))
  await writeFile(join(broken, 'onnx', 'vision_encoder_q4.onnx'), '')
  assert.match(await say(), /expected vision_encoder\.onnx, embed_tokens\.onnx.*found vision_encoder_q4\.onnx/)
  await rm(join(broken, 'onnx'), { recursive: true })
  const whole = await readFile(join(goldenPath('llava'), 'model.safetensors'))
  await writeFile(join(broken, 'model.safetensors'), whole.subarray(0, 100_000))
  assert.match(await say(), /not a whole \.safetensors file/)
  await writeFile(join(broken, 'model.safetensors'), 'onnx/model.safetensors')
  assert.match(await say(), /not a whole \.safetensors file/)
  await cp(join(goldenPath('qwen2'), 'model.safetensors'), join(broken, 'model.safetensors'))
  assert.match(await say(), /has no tensor vision_tower/)
  const strange = { ...configOf('qwen2'), model_type: 'strange' }
  await writeFile(join(broken, 'config.json'), JSON.stringify(strange))
  assert.match(await say(), /model_type strange: there is no builder/)
  assert.match(await complaint(() => openFolder(join(goldenPath('qwen2'), 'config.json'))), /got a file/)
})

test.run()
