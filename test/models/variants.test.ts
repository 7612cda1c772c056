/** Which of the Hub's variants of a graph is read, from folders as its configs describe them. */

import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf, writeModel } from '../../src/graph/proto.ts'
import { openFolder } from '../../src/models/folder.ts'
import { variants } from '../../src/models/variants.ts'
import { laidVision } from './exports.ts'
import { complaint, golden, scratch } from './tiny.ts'
import { encoded, logitsOf } from './whole.ts'

const test = suite('models: variants')
const dir = scratch()
const names = ['vision_encoder', 'embed_tokens', 'decoder_model_merged']
const model = await laidVision('llava_clip', 'llava_clip', dir)
const plain = JSON.parse(await readFile(join(model, 'config.json'), 'utf8'))

/** What the tower takes and whether the decoder is in four bits, for a `transformers.js_config`. */
async function read(settings: object | undefined, dtype?: string) {
  await writeFile(join(model, 'config.json'), JSON.stringify({ ...plain, 'transformers.js_config': settings }))
  const folder = await openFolder(model, { dtype })
  const [tower, , decoder] = await Promise.all(names.map(async name => (await folder.graph(name)).graph))
  return [tower.type('pixel_values').dtype, decoder.nodes.some(({ op }) => op === 'MatMulNBits') ? 'q4' : 'fp32']
}

test('without a word those that have no suffix', async () => {
  assert.equal(await read(undefined), ['float32', 'fp32'])
  const other = { use_external_data_format: { 'decoder_model_merged.onnx': 1 }, kv_cache_dtype: { q4f16: 'float16' } }
  assert.equal(await read(other), ['float32', 'fp32'])
})

test('what the config names, graph by graph', async () => {
  const dtype = { vision_encoder: 'fp16', embed_tokens: 'fp32', decoder_model_merged: 'q4' }
  assert.equal(await read({ dtype }), ['float16', 'q4'])
  assert.equal(await read({ dtype: 'q4' }), ['float32', 'q4'])
  assert.equal(await read({ dtype: { decoder_model_merged: 'auto', vision_encoder: 'q8' } }), ['float32', 'fp32'])
})

test('what is asked for before that: the decoder, and the others where they have it', async () => {
  const dtype = { vision_encoder: 'fp16', decoder_model_merged: 'q4' }
  assert.equal(await read({ dtype }, 'fp32'), ['float32', 'fp32'])
  assert.equal(await read(undefined, 'q4'), ['float32', 'q4'])
  assert.match(
    await complaint(() => read(undefined, 'fp16')),
    /expected decoder_model_merged_fp16\.onnx of a vlm model/,
  )
})

test('a tower in half precision before a decoder in single gives nearly the same logits', async () => {
  const held = await golden('llava_clip')
  await read({ dtype: { vision_encoder: 'fp16' } })
  const [one] = await encoded('llava_clip', 'one', model)
  const ours = await logitsOf(await openFolder(model), one)
  const { data } = await held.tensor('one.logits')
  const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(data[i]))), 0)
  assert.ok(apart > 1e-4 && apart < 0.1, `logits differ by ${apart}`)
})

test('data in several chunks, one of which is missing', async () => {
  const chunked = await laidVision('llava', 'llava', dir)
  const folder = await openFolder(chunked)
  const tensors = [...(await folder.graph('decoder_model_merged')).graph.initializers.values()]
  const files = new Set(tensors.flatMap(tensor => ('file' in tensor ? [tensor.file] : [])))
  assert.equal([...files], ['decoder_model_merged.onnx_data', 'decoder_model_merged.onnx_data_1'])
  await rm(join(chunked, 'onnx', 'decoder_model_merged.onnx_data_1'))
  const [one] = await encoded('llava', 'one', chunked)
  const failed = await logitsOf(folder, one).then(() => '', (error: Error) => error.message) // biome-ignore format: one thought
  assert.match(failed, /decoder_model_merged\.onnx_data_1/)
})

test('a tower that was exported for pictures of one size, before any is seen', async () => {
  const fixed = await laidVision('qwen2_vl', 'qwen2_vl', dir)
  const g = new Graph('tower')
  g.input('pixel_values', 'float32', ['patches', 96])
  g.input('grid_thw', 'int64', ['images', 3])
  const [whole] = g.many('Split', ['pixel_values', g.ints([96])], 1, { axis: 0 }, '/blocks.0/attn/Split')
  g.output(
    g.op('MatMul', [whole, g.op('Cast', [g.op('Transpose', ['grid_thw'], { perm: [1, 0] })], { to: 1 })]),
    'image_features',
  )
  await writeFile(join(fixed, 'onnx', 'vision_encoder.onnx'), writeModel(modelOf(g)))
  const folder = await openFolder(fixed)
  const expected =
    /exported for pictures of 96 patches alone \(node \/blocks\.0\/attn\/Split, operator Split\)\. Take the checkpoint/
  assert.match(await complaint(() => folder.graph('vision_encoder')), expected)
})

test('files alone', () => {
  const pick = (files: string[], dtype?: string | Record<string, string>, graphs = names) =>
    graphs.map(variants(graphs, files.map(file => `${file}.onnx`), dtype)) // biome-ignore format: one thought
  assert.equal(pick(['model_q4f16'], undefined, ['model']), ['model_q4f16.onnx']) // the only one
  assert.equal(pick(['model_q4f16', 'model_quantized'], undefined, ['model']), ['model.onnx']) // which is missed then
  assert.equal(pick(['model', 'model_quantized'], 'q8', ['model']), ['model_quantized.onnx'])
  const files = ['vision_encoder_fp16', 'embed_tokens', 'embed_tokens_q4', 'decoder_model_merged_q4']
  assert.equal(pick(files, 'q4'), ['vision_encoder_fp16.onnx', 'embed_tokens_q4.onnx', 'decoder_model_merged_q4.onnx'])
})

test.run()
