/** Checkpoints to model folders and back: what is written, what it computes, and what is refused. */

import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { buildGraphs } from '../../src/models/builders/index.ts'
import { type ConvertOptions, convert, extract } from '../../src/models/convert.ts'
import { openFolder, weightsOf } from '../../src/models/folder.ts'
import { narrow, widen } from '../../src/models/half.ts'
import { BLOCK, quantizeRows } from '../../src/models/quantize.ts'
import { loadTensor, openCheckpoint, readSafetensors, tensorBytes, tensorOf, writeSafetensors } from '../../src/models/safetensors.ts' // biome-ignore format: one line
import { runInSegments, segments } from '../../src/models/segments.ts'
import { stream } from '../../src/random.ts'
import { apart, complaint, golden, goldenPath, Runner, scratch } from './tiny.ts'

const test = suite('models: convert')
const dir = scratch()
/** Those whose goldens the Runner of tiny.ts can follow; architectures.test.ts has the others'. */
const GOLDEN = ['qwen2', 'qwen3', 'llama', 'smollm3', 'internlm2', 'llava']
const ALL = readdirSync(goldenPath('.'))

/** The golden's weights alone, without what is not part of a model. */
async function source(name: string): Promise<string> {
  const out = join(dir, `source-${name}`)
  if (!existsSync(out)) await cp(goldenPath(name), out, { recursive: true, filter: file => !/golden|adapter|png$/.test(file.slice(goldenPath(name).length)) }) // biome-ignore format: one line
  return out
}

async function converted(name: string, as: string, options: ConvertOptions = {}): Promise<string> {
  const out = join(dir, `${name}-${as}`)
  const differences = await convert(await source(name), out, options)
  assert.ok(differences.length > 0)
  assert.ok(differences.every(({ run, finite }) => run && finite))
  if (!options.dtype && !options.compute) assert.ok(differences.every(({ relative }) => relative === 0))
  return out
}

for (const name of ALL) {
  test(`${name}: graphs over the checkpoint's own bytes, and all of them back`, async () => {
    const out = await converted(name, 'same')
    const folder = await openFolder(out)
    assert.is(folder.onnx, join(out, 'onnx'))
    if (GOLDEN.includes(name)) {
      const { inputs, tensor } = await golden(name)
      const given = await inputs('padded')
      const difference = apart((await new Runner(folder).run(given)).logits, await tensor('padded.logits'), given.mask)
      assert.ok(difference < 1e-4, `logits differ by ${difference}`)
    }
    const { tensors } = (await openCheckpoint(await source(name)))!
    for (const part of folder.graphs) {
      for (const [key, held] of (await folder.graph(part)).graph.initializers) {
        if ('data' in held) assert.ok(held.data.length < 1024, key)
        else assert.equal([held.dtype, held.shape], [tensors.get(key)?.dtype, tensors.get(key)?.shape], key)
      }
    }
    const back = join(dir, `${name}-back`)
    await extract(out, back)
    const files = (await readdir(await source(name))).sort()
    assert.equal((await readdir(back)).sort(), files)
    for (const file of files) {
      assert.not(lstatSync(join(back, file)).isSymbolicLink())
      if (!file.endsWith('.safetensors')) continue
      const [ours, theirs] = [
        await readSafetensors(join(back, file)),
        await readSafetensors(join(await source(name), file)),
      ]
      const kinds = (held: typeof ours) =>
        [...held.tensors].map(([key, { dtype, shape }]) => `${key} ${dtype} ${shape}`)
      assert.equal(kinds(ours).sort(), kinds(theirs).sort())
      for (const [key, held] of theirs.tensors) {
        assert.equal(
          await tensorBytes(ours.tensors.get(key)!, ours.folder),
          await tensorBytes(held, theirs.folder),
          key,
        )
      }
    }
  })
}

test('shards stay shards, where Python looks and where the graphs look', async () => {
  const out = join(dir, 'llama-same')
  const index = JSON.parse(await readFile(join(out, 'model.safetensors.index.json'), 'utf8'))
  const files = [...new Set(Object.values(index.weight_map as Record<string, string>))]
  assert.is(files.length, 3)
  for (const file of files) {
    assert.ok(lstatSync(join(out, file)).isSymbolicLink())
    assert.ok(lstatSync(join(out, 'onnx', file)).isFile())
  }
  // The links may not survive a copy.
  const copied = join(dir, 'llama-copied')
  await cp(out, copied, { recursive: true, filter: file => !lstatSync(file).isSymbolicLink() })
  assert.is((await openCheckpoint(copied))!.tensors.size, Object.keys(index.weight_map).length)
  const again = join(dir, 'llama-again')
  await convert(copied, again) // a folder of ours is a checkpoint too
  assert.ok(existsSync(join(again, 'onnx', 'model.onnx')))
})

for (const [dtype, half] of [
  ['fp16', 'float16'],
  ['bf16', 'bfloat16'],
] as const) {
  test(`--dtype ${dtype}: every float is rounded, in the same files`, async () => {
    const out = await converted('llava', dtype, { dtype })
    const [ours, theirs] = [(await openCheckpoint(out))!, (await openCheckpoint(await source('llava')))!]
    assert.equal([...ours.tensors.keys()].sort(), [...theirs.tensors.keys()].sort())
    for (const [key, held] of ours.tensors) {
      assert.is(held.dtype, half)
      const whole = await loadTensor(theirs.tensors.get(key)!, theirs.folder)
      assert.equal((await loadTensor(held, ours.folder)).data, narrow(whole.data as Float32Array, half), key)
    }
    assert.is(JSON.parse(await readFile(join(out, 'config.json'), 'utf8')).dtype, half)
  })
}

test('--dtype fp32 widens, shard by shard', async () => {
  const out = await converted('llama', 'fp32', { dtype: 'fp32' })
  const [ours, theirs] = [(await openCheckpoint(out))!, (await openCheckpoint(await source('llama')))!]
  let total = 0
  for (const [key, held] of theirs.tensors) {
    const { dtype, data } = await loadTensor(ours.tensors.get(key)!, ours.folder)
    assert.is(dtype, 'float32')
    assert.equal(data, widen((await loadTensor(held, theirs.folder)).data as Uint16Array, 'bfloat16'), key)
    total += data.byteLength
  }
  assert.is(JSON.parse(await readFile(join(out, 'model.safetensors.index.json'), 'utf8')).metadata.total_size, total)
  const { inputs, tensor } = await golden('llama')
  const given = await inputs('padded')
  const { logits } = await new Runner(await openFolder(out)).run(given)
  assert.ok(apart(logits, await tensor('padded.logits'), given.mask) < 1e-4)
})

test('--compute fp16 is near, and lasts', async () => {
  const out = await converted('qwen3', 'half', { compute: 'fp16' })
  const { graph } = await (await openFolder(out)).graph('model')
  assert.ok(graph.nodes.some(({ op, outputs }) => op === 'MatMul' && graph.type(outputs[0]).dtype === 'float16'))
})

test('a number that fp16 cannot hold is named, and nothing is left', async () => {
  const big = join(dir, 'big')
  await cp(await source('qwen2'), big, { recursive: true })
  const { tensors, folder } = (await openCheckpoint(await source('qwen2')))!
  const norm: HostTensor = { dtype: 'float32', shape: [32], data: new Float32Array(32).fill(1) }
  norm.data[7] = 70_000
  await rm(join(big, 'model.safetensors'))
  await writeSafetensors(
    join(big, 'model.safetensors'),
    new Map([...tensors, ['model.norm.weight', tensorOf(norm)]]),
    folder,
  )
  const out = join(dir, 'big-fp16')
  assert.match(await complaint(() => convert(big, out, { dtype: 'fp16' })), /model\.norm\.weight holds 70000.*bf16/)
  assert.not(existsSync(out))
  await convert(big, out, { dtype: 'bf16' })
})

/** What the blocks stand for, by the definition: (q − z) · s. */
function dequantized({ packed, scales, zeros }: ReturnType<typeof quantizeRows>, rows: number, width: number) {
  const blocks = Math.ceil(width / BLOCK)
  const nibble = (bytes: Uint8Array, from: number, i: number) =>
    (bytes[from + Math.floor(i / 2)] >> (i % 2 ? 4 : 0)) & 15
  return Float32Array.from({ length: rows * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width]
    const block = Math.floor(column / BLOCK)
    const q = nibble(packed, (row * blocks + block) * (BLOCK / 2), column % BLOCK)
    return (q - nibble(zeros, row * Math.ceil(blocks / 2), block)) * scales[row * blocks + block]
  })
}

test('blocks of four bits: near, zero for zero, and what ONNX Runtime makes of them', async () => {
  for (const [rows, width] of [
    [3, 32],
    [5, 96],
    [4, 80],
    [2, 20],
  ]) {
    const draw = stream(7, rows, width)
    const values = Float32Array.from({ length: rows * width }, () => (draw() < 0.1 ? 0 : draw() * 3 - 1))
    if (rows === 3) values.fill(0, 0, 32) // a whole block
    const made = quantizeRows(values, width)
    const back = dequantized(made, rows, width)
    const blocks = Math.ceil(width / BLOCK)
    values.forEach((value, i) => {
      const scale = made.scales[Math.floor(i / width) * blocks + Math.floor((i % width) / BLOCK)]
      assert.ok(Math.abs(value - back[i]) <= scale * 1.001, `${rows} × ${width}: ${value} became ${back[i]}`)
      if (value === 0) assert.is(back[i], 0)
    })
    const error = Math.hypot(...values.map((value, i) => value - back[i])) / Math.hypot(...values)
    assert.ok(error < 0.08, `${error}`)
    const g = new Graph('product')
    g.input('x', 'float32', [2, width])
    g.weight('q', { dtype: 'uint8', shape: [rows, blocks, BLOCK / 2], data: made.packed })
    g.weight('s', { dtype: 'float32', shape: [rows, blocks], data: new Uint8Array(made.scales.buffer) })
    g.weight('z', { dtype: 'uint8', shape: [rows, Math.ceil(blocks / 2)], data: made.zeros })
    g.output(g.op('MatMulNBits', ['x', 'q', 's', 'z'], { K: width, N: rows, bits: 4, block_size: BLOCK }), 'y')
    assert.equal(g.shape('y'), [2, rows])
    const x = Float32Array.from({ length: 2 * width }, () => draw() - 0.5)
    const session = await openSession(modelOf(g), { threads: 1 })
    const { y } = await session.run({ x: { dtype: 'float32', shape: [2, width], data: x } })
    await session.close()
    for (let i = 0; i < 2 * rows; i++) {
      const [a, b] = [Math.floor(i / rows), i % rows]
      let sum = 0
      for (let k = 0; k < width; k++) sum += x[a * width + k] * back[b * width + k]
      assert.ok(Math.abs(Number(y.data[i]) - sum) < 1e-4, `${rows} × ${width}`)
    }
  }
})

test('--dtype q4: products alone, opened without being asked for, equal to its rounded weights', async () => {
  const { inputs } = await golden('qwen3')
  const given = await inputs('padded')
  const out = await converted('qwen3', 'q4', { dtype: 'q4' })
  assert.equal((await readdir(join(out, 'onnx'))).sort(), ['model_q4.onnx', 'model_q4.onnx_data'])
  const folder = await openFolder(out)
  const { graph } = await folder.graph('model')
  const quantized = graph.nodes.filter(({ op }) => op === 'MatMulNBits').map(({ inputs: [, weight] }) => weight)
  assert.is(quantized.length, 2 * 7)
  assert.ok(quantized.every(weight => /_proj\.weight_Q4$/.test(weight)))
  assert.ok(graph.initializers.has('lm_head.weight') && graph.initializers.has('model.embed_tokens.weight'))
  assert.not(graph.initializers.has('model.layers.0.mlp.up_proj.weight'))

  const checkpoint = (await openCheckpoint(await source('qwen3')))!
  const rounded = new Map(checkpoint.tensors)
  for (const [key, held] of checkpoint.tensors) {
    if (!key.endsWith('_proj.weight')) continue
    const { data, shape } = await loadTensor(held, checkpoint.folder, true)
    const back = dequantized(quantizeRows(data as Float32Array, shape[1]), shape[0], shape[1])
    rounded.set(key, tensorOf({ dtype: 'float32', shape, data: back }))
  }
  const { model } = buildGraphs(folder.config, weightsOf({ ...checkpoint, tensors: rounded }, ''))
  const expected = new Runner({ ...folder, onnx: checkpoint.folder, graph: async () => modelOf(model) })
  const difference = apart((await new Runner(folder).run(given)).logits, (await expected.run(given)).logits, given.mask)
  assert.ok(difference < 1e-3, `logits differ by ${difference}`)

  const head = await converted('qwen3', 'q4-head', { dtype: 'q4', q4Head: true })
  assert.not((await (await openFolder(head)).graph('model')).graph.initializers.has('lm_head.weight'))
  assert.match(
    await complaint(() => extract(out, join(dir, 'never'))),
    /found graphs only, whose weights are quantized/,
  )
  assert.not(existsSync(join(dir, 'never')))
})

test('in segments a graph gives what it gives whole', async () => {
  for (const name of ['llama', 'internlm2']) {
    const { inputs, tensor } = await golden(name)
    const given = await inputs('one')
    const { graph } = await (await openFolder(await source(name))).graph('model')
    const { folder } = (await openCheckpoint(await source(name)))!
    const length = given.ids.shape[1]
    const positions: HostTensor = { ...given.ids, data: BigInt64Array.from({ length }, (_, i) => BigInt(i)) }
    const feeds: Record<string, HostTensor> = {
      input_ids: given.ids,
      attention_mask: given.mask,
      position_ids: positions,
    }
    for (const past of graph.inputs.filter(input => input.startsWith('past'))) {
      feeds[past] = { dtype: 'float32', shape: [1, 2, 0, 8], data: new Float32Array() }
    }
    const counts = [Number.POSITIVE_INFINITY, 6000, 0].map(bytes => segments(graph, 'logits', bytes).length)
    assert.ok(counts[0] === 1 && counts[1] > 3 && counts[2] > counts[1], `${counts}`)
    for (const bytes of [Number.POSITIVE_INFINITY, 6000, 0]) {
      const logits = await runInSegments(graph, feeds, 'logits', folder, bytes)
      assert.ok(apart(logits, await tensor('one.logits'), given.mask) < 1e-4)
    }
  }
})

test('what cannot be converted', async () => {
  const strange = join(dir, 'strange')
  await cp(await source('qwen2'), strange, { recursive: true })
  const config = JSON.parse(await readFile(join(strange, 'config.json'), 'utf8'))
  await writeFile(join(strange, 'config.json'), JSON.stringify({ ...config, model_type: 'rwkv' }))
  const out = join(dir, 'none')
  const message = await complaint(() => convert(strange, out))
  assert.match(
    message,
    /config\.json: model_type rwkv: there is no builder.*qwen2, qwen3, llama.*internlm2, smollm3.*llava/,
  )
  await rm(join(strange, 'model.safetensors'))
  await writeFile(join(strange, 'pytorch_model.bin'), '')
  assert.match(await complaint(() => convert(strange, out)), /expected .*model\.safetensors beside config\.json/)
  assert.match(await complaint(() => convert(join(dir, 'nothing'), out)), /no such folder/)
  assert.match(await complaint(() => convert(join(dir, 'qwen2-same'), join(dir, 'llama-same'))), /exists already/)
  assert.match(
    await complaint(() => convert(join(dir, 'qwen2-same'), out, { dtype: 'q4', compute: 'bf16' })),
    /take fp16/,
  )
  assert.not(existsSync(out))
})

test.run()
