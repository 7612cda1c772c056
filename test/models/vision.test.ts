/**
 * What is particular to LLaVA, LLaVA-OneVision, Idefics3 and SmolVLM: sizes of pictures, layouts of checkpoints and
 * folders, exports of the Hub, what is trained, what is refused.
 */

import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../src/errors.ts'
import { createGenerator } from '../../src/generate/index.ts'
import { inline } from '../../src/graph/inline.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { buildGraphs } from '../../src/models/builders/index.ts'
import { type Message, openChat } from '../../src/models/chat.ts'
import { completed } from '../../src/models/defaults.ts'
import { openFolder, weightsOf } from '../../src/models/folder.ts'
import { gridOf as featureGridOf, featuresOf } from '../../src/models/pictures/grid.ts'
import { openPictures } from '../../src/models/pictures/pictures.ts'
import { resampled } from '../../src/models/pictures/resample.ts'
import { gridOf } from '../../src/models/pictures/split.ts'
import { loadTensor, openCheckpoint } from '../../src/models/safetensors.ts'
import { saveFolder } from '../../src/models/save.ts'
import { writeGraphs } from '../../src/models/write.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { golden, goldenPath, scratch } from './tiny.ts'
import { encoded, logits, rewritten as rewrittenIn } from './whole.ts'

const test = suite('models: LLaVA, LLaVA-OneVision, Idefics3, SmolVLM')
const dir = scratch()
const rewritten = rewrittenIn.bind(undefined, dir)
const NAMES = ['llava_clip', 'llava_onevision', 'idefics3', 'smolvlm']
const asTheyAre = async <T>(tensors: T) => tensors

test("grids of tiles are Hugging Face's", () => {
  const sizes = [
    [1, 1593, 2, 2048, 4, 1], [2408, 1, 2048, 1, 1, 4], [2796, 564, 2048, 414, 1, 4], [957, 749, 2048, 1602, 4, 4],
    [2285, 204, 2048, 182, 1, 4], [56, 966, 118, 2048, 4, 1], [163, 46, 2048, 578, 2, 4], [336, 336, 2048, 2048, 4, 4],
  ] // biome-ignore format: a table
  for (const [width, height, across, down, rows, columns] of sizes) {
    const grid = gridOf({ width, height }, { tile: 512, longest: 2048, splits: true })
    const whole = { width: columns * 512, height: rows * 512 }
    assert.equal(grid, { first: { width: across, height: down }, whole, rows, columns }, `${width} × ${height}`)
  }
  const capped = gridOf({ width: 2285, height: 204 }, { tile: 364, longest: 5000, splits: true })
  assert.equal(capped, {
    first: { width: 4096, height: 365 },
    whole: { width: 4368, height: 728 },
    rows: 2,
    columns: 12,
  })
  const one = gridOf({ width: 300, height: 200 }, { tile: 364, longest: 364, splits: true })
  assert.equal([one.rows, one.columns, one.whole], [0, 0, { width: 364, height: 364 }])
})

test("resolutions and counts of features are Hugging Face's, newlines stand at the ends of rows", () => {
  const points = Array.from({ length: 36 }, (_, i) => ({ height: 384 * (1 + Math.floor(i / 6)), width: 384 * (1 + (i % 6)) })) // biome-ignore format: one thought
  const layout = { points, tile: 384, side: 27, most: 9 }
  const sizes = [
    [1, 1593, 1920, 384, 999], [2408, 1, 384, 384, 757], [2796, 564, 768, 2304, 5945], [957, 749, 768, 1152, 4509],
    [2285, 204, 384, 2304, 3174], [56, 966, 1152, 384, 1215], [163, 46, 384, 384, 925], [336, 336, 384, 384, 1485],
  ] // biome-ignore format: a table
  for (const [width, height, down, across, count] of sizes) {
    const grid = featureGridOf({ width, height }, layout)
    const features = featuresOf(grid, layout)
    assert.equal([grid.point.height, grid.point.width, features.length], [down, across, count], `${width} × ${height}`)
    const ends = features.flatMap((parts, i) => (parts.length === 0 ? [i] : []))
    assert.equal(
      ends,
      Array.from({ length: grid.height }, (_, y) => 729 + (y + 1) * (grid.width + 1) - 1),
    )
    for (const parts of features)
      assert.ok(!parts.length || Math.abs(parts.reduce((sum, [, w]) => sum + w, 0) - 1) < 1e-9)
  }
})

test('both layouts of a folder: settings of pictures in a file of their own, or within those of the processor', async () => {
  for (const name of NAMES) {
    const path = await rewritten(name, 'one-file', asTheyAre)
    const read = async (file: string) => JSON.parse(await readFile(join(path, file), 'utf8'))
    const image_processor = await read('preprocessor_config.json')
    const whole = await read('processor_config.json')
    await writeFile(join(path, 'processor_config.json'), JSON.stringify({ ...whole, image_processor }))
    await rm(join(path, 'preprocessor_config.json'))
    assert.equal(await encoded(name, 'mixed', path), await encoded(name, 'mixed'))
  }
})

test('the shorter side becomes what is asked for, the longer one is cut off, not rounded', async () => {
  const [width, height] = [241, 203] // 16 · 241 / 203 = 18.995
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 256)
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer()
  const folder = await openFolder(goldenPath('llava_clip'))
  const { pixel_values } = await (await openPictures(folder)).vision([png])
  const small = resampled({ data, width, height, channels: 3 }, 18, 16, 3)!
  const [mean, deviation] = [[0.48, 0.46, 0.41], [0.27, 0.26, 0.28]] // biome-ignore format: a table
  const expected = [0, 1, 2].flatMap(channel =>
    Array.from({ length: 256 }, (_, i) => {
      const value = small.data[((i >> 4) * 18 + 1 + (i & 15)) * 3 + channel] // one column off on either side
      return (value / 255 - mean[channel]) / deviation[channel]
    }),
  )
  const apart = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(pixel_values.data[i]))), 0)
  assert.ok(apart < 1e-5, `pixels differ by ${apart}`)
})

test("checkpoints under older names and under PyTorch's, and configs that leave fields to defaults", async () => {
  const layouts: Record<string, [RegExp, string][]> = {
    older: [[/^vision_tower\./, 'vision_tower.vision_model.']],
    modules: [
      [/^(vision_tower|multi_modal_projector|image_newline)/, 'model.$1'],
      [/^language_model\.model\./, 'model.language_model.'],
      [/^language_model\.lm_head/, 'lm_head'],
    ],
  }
  for (const name of NAMES.slice(0, 2)) {
    for (const [layout, table] of Object.entries(layouts)) {
      const renamed = (key: string) => table.reduce((made, [from, to]) => made.replace(from, to), key)
      const path = await rewritten(
        name,
        layout,
        async tensors => new Map([...tensors].map(([key, t]) => [renamed(key), t])),
      )
      assert.equal(await logits(name, 'one', path), await logits(name, 'one'), `${name}, ${layout}`)
      const [saved, norm] = [join(dir, `${name}-${layout}-saved`), 'language_model.model.norm.weight']
      const held = await loadTensor((await openCheckpoint(goldenPath(name)))!.tensors.get(norm)!, goldenPath(name))
      await saveFolder(await openFolder(path), saved, new Map([[norm, { ...held, data: new Float32Array(24) }]]))
      assert.ok((await openCheckpoint(saved))!.tensors.has(renamed(norm)))
      for (const row of await logits(name, 'one', saved)) assert.ok(row.every(x => x === 0))
    }
  }
  const sparse = { model_type: 'llava', text_config: { model_type: 'llama', vocab_size: 32_064 }, vision_config: { model_type: 'clip_vision_model', image_size: 336 } } // biome-ignore format: as LLaVA-1.5 has it
  const { text_config, vision_config } = completed(sparse, ['language_model.lm_head.weight']) as never as Record<string, Record<string, unknown>> // biome-ignore format: one thought
  assert.equal([text_config.vocab_size, text_config.hidden_size, text_config.intermediate_size], [32_064, 4096, 11_008])
  assert.equal([vision_config.image_size, vision_config.patch_size, vision_config.hidden_size], [336, 32, 768])
})

test('where a checkpoint has no head, the embedding is it, whatever the config says', async () => {
  const untied = (file: string, held: Record<string, unknown>) =>
    file === 'config.json' ? { ...held, tie_word_embeddings: false } : held
  const path = await rewritten('smolvlm', 'untied', asTheyAre, untied)
  assert.equal(await logits('smolvlm', 'one', path), await logits('smolvlm', 'one'))
})

test('exports of the Hub with a dim of pictures and a mask of pixels', async () => {
  const path = join(dir, 'smolvlm-hub')
  await saveFolder(await openFolder(goldenPath('smolvlm')), path, new Map())
  const folder = await openFolder(path)
  const g = new Graph('vision_encoder')
  const pixels = g.input('pixel_values', 'float32', ['batch', 'tiles', 3, 16, 16])
  const mask = g.input('pixel_attention_mask', 'bool', ['batch', 'tiles', 16, 16])
  const seen = g.op('Mul', [pixels, g.op('Unsqueeze', [g.op('Cast', [mask], { to: 1 }), g.ints([2])])])
  const flat = g.op('Reshape', [seen, g.ints([-1, 3, 16, 16])])
  const { image_features } = inline(g, (await folder.graph('vision_encoder')).graph, { pixel_values: flat }, 'own/')
  g.output(image_features, 'image_features')
  await writeGraphs(path, { vision_encoder: modelOf(g) })
  assert.equal(await logits('smolvlm', 'mixed', path), await logits('smolvlm', 'mixed'))
  assert.equal(await texts('smolvlm', path), (await golden('smolvlm')).cases.mixed.greedy_text)
})

test('exports of LLaVA-OneVision that take pixels alone get one tile a picture', async () => {
  const path = join(dir, 'onevision-hub')
  await saveFolder(await openFolder(goldenPath('llava_onevision')), path, new Map())
  const { config, checkpoint } = await openFolder(goldenPath('llava_onevision'))
  const { vision_encoder } = buildGraphs({ ...config, model_type: 'llava' }, weightsOf(checkpoint!, path))
  await writeGraphs(path, { vision_encoder: modelOf(vision_encoder) })
  const [row] = await encoded('llava_onevision', 'one', path)
  const { imageToken } = await openFolder(path)
  assert.is(row.ids.filter(id => id === imageToken).length, 9)
  assert.equal(
    Object.entries(row.vision!).map(([name, { shape }]) => [name, shape]),
    [['pixel_values', [1, 3, 15, 15]]],
  )
  const whole = (await encoded('llava_onevision', 'one'))[0].vision!.pixel_values.data.slice(0, 3 * 15 * 15)
  const apart = (whole as Float32Array).reduce((most, x, i) => Math.max(most, Math.abs(x - Number(row.vision!.pixel_values.data[i]))), 0) // biome-ignore format: one thought
  assert.ok(apart < 1e-5, `pixels differ by ${apart}`)
  assert.is((await texts('llava_onevision', path)).length, 2)
})

/** Greedy answers to `mixed`, all in one batch. */
async function texts(name: string, model: string, engine?: 'transformers') {
  const { cases, picture } = await golden(name)
  const sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 10 }
  const generator = await createGenerator({ model, engine, device: 'cpu', sampling, quiet: true })
  const requests = cases.mixed.messages.map(async (messages, i) => {
    return { messages, images: await Promise.all(cases.mixed.images![i].map(picture)), keys: [i] }
  })
  const made: string[] = []
  for await (const answer of generator.generate(await Promise.all(requests)))
    made.push('error' in answer ? answer.error.message : answer.text)
  await generator.close()
  return made
}

test('transformers.js runs the folders that we write', async () => {
  for (const name of ['llava_clip', 'idefics3', 'smolvlm']) {
    const out = join(dir, `${name}-graphs`)
    await saveFolder(await openFolder(goldenPath(name)), out, new Map())
    assert.equal(await texts(name, out, 'transformers'), (await golden(name)).cases.mixed.greedy_text, name)
  }
})

test('a text begins as the tokenizer has it once, whether or not the template wrote that', async () => {
  const path = await rewritten('llava_clip', 'begun', asTheyAre)
  const file = join(path, 'tokenizer_config.json')
  const settings = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ ...settings, chat_template: `{{- '<s>' -}}${settings.chat_template}` }))
  const [ours, begun] = [await encoded('llava_clip', 'one'), await encoded('llava_clip', 'one', path)]
  assert.equal(begun[0].ids, ours[0].ids)
  const { tokens } = JSON.parse(await readFile(join(path, 'tokenizer.json'), 'utf8')).post_processor.processors[1].special_tokens['<s>'] // biome-ignore format: one thought
  assert.equal([tokens, ours[0].ids.filter(id => id === ours[0].ids[0]).length], [['<s>'], 1])
})

test('the beginning of a conversation is written as it is within the whole', async () => {
  const { picture } = await golden('llava_onevision')
  const chat = await openChat(await openFolder(goldenPath('llava_onevision')))
  const messages: Message[] = [
    { role: 'user', text: 'One?', images: 1 },
    { role: 'assistant', text: '7' },
    { role: 'user', text: 'Two?', images: 1 },
    { role: 'assistant', text: '8' },
  ]
  const images = await Promise.all(['tall.png', 'wide.png'].map(picture))
  const ids = async (count: number, shown: number) => {
    const options = { generation: false, blind: true, among: images }
    return (await chat.encode(messages.slice(0, count), images.slice(0, shown), options)).ids
  }
  const [whole, first] = [await ids(4, 2), await ids(2, 1)]
  assert.equal(whole.slice(0, first.length), first)
})

test('the newline is trained with the projector, lone weights of the tower with the tower', async () => {
  const trained = async (name: string, trainVision: boolean) =>
    (await openPolicy(await openFolder(goldenPath(name)), { trainVision })).trained.map(weight => weight.name)
  const few = await trained('llava_onevision', false)
  assert.ok(few.includes('image_newline') && few.every(name => !name.startsWith('vision_tower.')))
  for (const name of NAMES) {
    const all = new Set((await golden(name)).names.filter(key => key.startsWith('grad.')).map(key => key.slice(5)))
    assert.equal(new Set(await trained(name, true)), all, name)
  }
})

test('graphs can be built to compute in half precision', async () => {
  for (const name of NAMES) {
    const { config, checkpoint, path } = await openFolder(goldenPath(name))
    for (const compute of ['float16', 'bfloat16'] as const) {
      const { vision_encoder: g } = buildGraphs(config, weightsOf(checkpoint!, path), compute)
      assert.is(g.type('image_features').dtype, 'float32')
      assert.ok(
        g.nodes.filter(({ op }) => op === 'MatMul').every(({ outputs }) => g.type(outputs[0]).dtype === compute),
      )
    }
  }
})

test('what is not supported is refused by name, with what is', async () => {
  const refused = async (name: string, change: Record<string, unknown>, pattern: RegExp) => {
    const held = (file: string, old: Record<string, unknown>) => {
      const vision_config = { ...(old.vision_config as object), ...(change.vision_config as object) }
      return file === 'config.json' ? { ...old, ...change, vision_config } : old
    }
    const path = await rewritten(name, 'refused', asTheyAre, held)
    try {
      await openPictures(await openFolder(path))
    } catch (error) {
      assert.instance(error, UserError)
      assert.match((error as Error).message, pattern)
      return
    } finally {
      await rm(path, { recursive: true })
    }
    assert.unreachable(`${name}: ${JSON.stringify(change)}`)
  }
  const tower = { vision_config: { model_type: 'pixtral' } }
  await refused('llava_clip', tower, /vision_config\.model_type: expected one of siglip_vision_model, clip_vision_model, got pixtral/) // biome-ignore format: one thought
  await refused('llava_onevision', tower, /expected one of siglip_vision_model, clip_vision_model, got pixtral/)
  await refused(
    'llava_clip',
    { vision_feature_layer: [-2, -1] },
    /vision_feature_layer: expected one number, got \[-2,-1\]/,
  )
  await refused(
    'llava_onevision',
    { vision_aspect_ratio: 'pad' },
    /vision_aspect_ratio: expected anyres_max_ and a number, got pad/,
  )
  await refused('smolvlm', { scale_factor: 3 }, /scale_factor: expected a divisor of 4 patches, got 3/)
  await refused('smolvlm', { vision_config: { image_size: 32 } }, /tensor .*position_embedding|max_image_size/)
  await refused('smolvlm', { model_type: 'idefics2' }, /there is no builder for it; expected one of .*llava_onevision, idefics3, smolvlm/) // biome-ignore format: one thought
})

test.run()
