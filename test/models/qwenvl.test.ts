/** What is particular to Qwen2-VL and Qwen2.5-VL: sizes of pictures, layouts of checkpoints, adapters, other readers. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGenerator } from '../../src/generate/index.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { readAdapter, saveAdapter } from '../../src/models/adapter.ts'
import { buildGraphs, type Compute } from '../../src/models/builders/index.ts'
import { openFolder, weightsOf } from '../../src/models/folder.ts'
import { narrow, widen } from '../../src/models/half.ts'
import { fitted } from '../../src/models/pictures/patches.ts'
import { loadTensor, openCheckpoint, tensorOf } from '../../src/models/safetensors.ts'
import { saveFolder } from '../../src/models/save.ts'
import { golden, goldenPath, scratch } from './tiny.ts'
import { encoded, logits, rewritten as rewrittenIn, type Tensors } from './whole.ts'

const test = suite('models: Qwen-VL')
const dir = scratch()
const NAMES = ['qwen2_vl', 'qwen2_5_vl']
const rewritten = rewrittenIn.bind(undefined, dir)

/** Settings as older checkpoints have them: the language model's fields among all others. */
function flat(file: string, held: Record<string, unknown>): Record<string, unknown> {
  if (file !== 'config.json') {
    const { size, ...rest } = held as { size: { shortest_edge: number; longest_edge: number } }
    return { ...rest, min_pixels: size.shortest_edge, max_pixels: size.longest_edge }
  }
  const { text_config, vision_config, ...rest } = held as Record<string, Record<string, unknown>>
  const { rope_parameters, model_type, layer_types, ...text } = text_config
  const { rope_theta, mrope_section } = rope_parameters as Record<string, unknown>
  const { in_channels, hidden_act, rope_parameters: _, ...vision } = vision_config
  const rope_scaling = { type: 'mrope', mrope_section }
  return { ...text, ...rest, rope_theta, rope_scaling, vision_config: { ...vision, in_chans: in_channels } }
}

test("pictures become the size that Hugging Face's smart_resize gives", () => {
  const bounds = { patch: 14, merge: 2, least: 56 * 56, most: 28 * 28 * 1280 }
  const sizes = [
    [1, 1, 56, 56], [42, 70, 56, 56], [14, 14, 56, 56], [98, 42, 112, 56], [3, 600, 28, 812], [10, 1000, 28, 560],
    [640, 480, 644, 476], [1920, 1080, 1316, 728], [4032, 3024, 1148, 840], [28, 5600, 28, 5600], [126, 154, 112, 168],
    [700, 701, 700, 700], [975, 2428, 616, 1568], [2230, 535, 2044, 476], [1516, 2474, 784, 1260], [2380, 269, 2380, 280],
  ] // biome-ignore format: a table
  for (const [width, height, across, down] of sizes) {
    assert.equal(fitted({ width, height }, bounds), { width: across, height: down }, `${width} × ${height}`)
  }
  assert.throws(() => fitted({ width: 201, height: 1 }, bounds), /at most 200 times the other, got 201 × 1/)
})

test('what stands for a picture, and the positions of its tokens', async () => {
  const [{ ids, positions }] = await encoded('qwen2_vl', 'one') // tall: 6 × 2 blocks
  const { imageToken } = await openFolder(goldenPath('qwen2_vl'))
  const first = ids.indexOf(imageToken!)
  assert.is(ids.filter(id => id === imageToken).length, 12)
  const at = (t: number) => positions!.map(axis => axis[t])
  assert.equal(at(first - 1), [first - 1, first - 1, first - 1])
  assert.equal(at(first), [first, first, first])
  assert.equal(at(first + 1), [first, first, first + 1])
  assert.equal(at(first + 11), [first, first + 5, first + 1])
  assert.equal(at(first + 12), [first + 6, first + 6, first + 6])
})

test("checkpoints under PyTorch's names of modules, and configs that keep all fields in one place", async () => {
  for (const name of NAMES) {
    const renamed = async (tensors: Tensors) =>
      new Map(
        [...tensors].map(([key, tensor]) => [
          key.replace(/^visual\./, 'model.visual.').replace(/^model\.(?!visual)/, 'model.language_model.'),
          tensor,
        ]),
      )
    const path = await rewritten(name, 'flat', renamed, flat)
    assert.equal(await logits(name, 'mixed', path), await logits(name, 'mixed'))
    const saved = join(dir, `${name}-flat-saved`)
    const norm = 'model.norm.weight'
    const held = await loadTensor((await openCheckpoint(goldenPath(name)))!.tensors.get(norm)!, goldenPath(name))
    await saveFolder(await openFolder(path), saved, new Map([[norm, { ...held, data: new Float32Array(24) }]]))
    assert.ok((await openCheckpoint(saved))!.tensors.has('model.language_model.norm.weight'))
    for (const row of await logits(name, 'one', saved)) assert.ok(row.every(x => x === 0))
  }
})

test('a bfloat16 checkpoint opens as it is and computes in single precision', async () => {
  for (const name of NAMES) {
    const rounded = (whole: boolean) => async (tensors: Tensors, folder: string) => {
      const made = [...tensors].map(async ([key, tensor]) => {
        const host = await loadTensor(tensor, folder)
        const bits = narrow(host.data as Float32Array, 'bfloat16')
        const stored = whole ? { ...host, data: widen(bits, 'bfloat16') } : { ...host, dtype: 'bfloat16' as const, data: bits } // biome-ignore format: one thought
        return [key, tensorOf(stored)] as const
      })
      return new Map(await Promise.all(made))
    }
    const [half, whole] = [await rewritten(name, 'half', rounded(false)), await rewritten(name, 'whole', rounded(true))]
    assert.is((await openCheckpoint(half))!.tensors.get('visual.merger.mlp.0.weight')!.dtype, 'bfloat16')
    const [ours, same] = [await logits(name, 'one', half), await logits(name, 'one', whole)]
    assert.equal(ours, same)
    assert.not.equal(ours, await logits(name, 'one'))
  }
})

test('products in half precision: features are near, every border stays single', async () => {
  for (const name of NAMES) {
    const folder = await openFolder(goldenPath(name))
    const [{ vision }] = await encoded(name, 'mixed')
    const run = async (compute: Compute) => {
      const graph = buildGraphs(folder.config, weightsOf(folder.checkpoint!, folder.path), compute).vision_encoder
      for (const border of [...graph.inputs, ...graph.outputs])
        assert.match(graph.type(border).dtype, /^(float32|int64)$/)
      const session = await openSession(modelOf(graph), { folder: folder.onnx, threads: 1 })
      const { image_features } = await session.run(vision!)
      await session.close()
      return image_features.data as Float32Array
    }
    const [half, whole] = [await run('float16'), await run('float32')]
    const apart = half.reduce((most, x, i) => Math.max(most, Math.abs(x - whole[i])), 0)
    assert.ok(apart > 1e-6 && apart < 0.05, `features differ by ${apart}`)
  }
})

test("PEFT's adapter on both halves gives PEFT's logits, and is written as it was", async () => {
  const { path, tensor } = await golden('qwen2_vl')
  const adapter = join(path, 'adapter')
  const [ours] = await logits('qwen2_vl', 'one', path, adapter)
  const { data } = await tensor('adapted.logits')
  const apart = ours.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(data[i]))), 0)
  assert.ok(ours.length === data.length && apart < 1e-4, `logits differ by ${apart}`)
  const folder = await openFolder(path)
  const held = await readAdapter(adapter, folder.config)
  const copy = join(dir, 'adapter')
  await saveAdapter(copy, folder, held.weights, { ...held, targets: [] })
  const names = async (at: string) => [...(await openNames(at))].sort()
  assert.equal(await names(copy), await names(adapter))
})

async function openNames(at: string): Promise<string[]> {
  const bytes = await readFile(join(at, 'adapter_model.safetensors'))
  const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString()
  return Object.keys(JSON.parse(header)).filter(name => name !== '__metadata__')
}

test('transformers.js runs the folders that we write', async () => {
  const sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 10 }
  for (const name of NAMES) {
    const { path, cases, picture } = await golden(name)
    const out = join(dir, `${name}-graphs`)
    // It looks for the sizes of Qwen2-VL among all fields, and for those of Qwen2.5-VL in text_config.
    const from = name === 'qwen2_vl' ? await rewritten(name, 'older', async tensors => tensors, flat) : path
    await saveFolder(await openFolder(from), out, new Map())
    const generator = await createGenerator({
      model: out,
      engine: 'transformers',
      device: 'cpu',
      sampling,
      quiet: true,
    })
    const { messages, images, greedy_text } = cases.one
    const request = { messages: messages[0], images: await Promise.all(images![0].map(picture)), keys: ['one'] }
    for await (const made of generator.generate([request]))
      assert.is('error' in made ? made.error.message : made.text, greedy_text[0])
    await generator.close()
  }
})

test('features of a picture do not depend on its neighbours', async () => {
  for (const name of NAMES) {
    const folder = await openFolder(goldenPath(name))
    const session = await openSession(await folder.graph('vision_encoder'), { folder: folder.onnx, threads: 1 })
    const [{ vision: both }] = await encoded(name, 'mixed') // wide, odd
    const grids = Object.keys(both!).find(key => key !== 'pixel_values')!
    const [patches, depth] = both!.pixel_values.shape
    const wide = 2 * 7 * 4
    const part = (first: number, from: number, to: number) => ({
      pixel_values: {
        dtype: 'float32' as const,
        shape: [to - from, depth],
        data: (both!.pixel_values.data as Float32Array).slice(from * depth, to * depth),
      },
      [grids]: {
        dtype: 'int64' as const,
        shape: [1, 3],
        data: (both![grids].data as BigInt64Array).slice(first * 3, first * 3 + 3),
      },
    })
    const run = async (feeds: NonNullable<typeof both>) =>
      Array.from((await session.run(feeds)).image_features.data as Float32Array)
    const alone = [...(await run(part(0, 0, wide))), ...(await run(part(1, wide, patches)))]
    const together = await run(both!)
    assert.is(together.length, alone.length)
    const apart = together.reduce((most, x, i) => Math.max(most, Math.abs(x - alone[i])), 0)
    assert.ok(apart < 1e-5, `features differ by ${apart}`)
    await session.close()
  }
})

test.run()
