/** Whole runs with products in float16: what the log says, checkpoints that go on bit for bit, what is refused. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Compute } from '../../src/models/builders/index.ts'
import { openChat } from '../../src/models/chat.ts'
import { convert } from '../../src/models/convert.ts'
import { openFolder } from '../../src/models/folder.ts'
import { tokenWeights } from '../../src/sophia/objective.ts'
import { Dataset } from '../../src/train/dataset.ts'
import type { StepLine } from '../../src/train/log.ts'
import { openPolicy, storedIn } from '../../src/train/policy.ts'
import { dryRun, type TrainOptions, train } from '../../src/train/train.ts'

const test = suite('train: runs in half precision')
const dir = mkdtempSync(join(tmpdir(), 'sophia-half-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const golden = 'fixtures/golden/models/qwen2'

async function dataOf(path: string) {
  const folder = await openFolder(path)
  const data = new Dataset({ chat: await openChat(folder), eos: folder.eos, load: async () => new Uint8Array(), maxLength: 999 }) // biome-ignore format: one thought
  for (let i = 0; i < 12; i++) {
    const messages = [{ role: 'user' as const, text: `What is ${i}?` }, { role: 'assistant' as const, text: 'It is '.repeat(1 + (i % 4)) }] // biome-ignore format: one thought
    await data.add({ id: `${i}`, messages, images: [], weight: 1 })
  }
  return { folder, data }
}

const options = (name: string, compute: Compute, more: Partial<TrainOptions> = {}): TrainOptions => ({
  ...{ output: join(dir, name), log: join(dir, `${name}.log`), resume: false, saveEvery: 2, quiet: true },
  ...{ lr: 1e-2, weightDecay: 0.05, betas: [0.9, 0.95], clip: 1, warmup: 2, lrFloor: 0.25, epochs: 3 },
  ...{ batchSize: 5, microTokens: 64, trainVision: false, recompute: false, seed: 1, device: 'cpu', threads: 1 },
  ...{ compute, weigh: tokenWeights },
  ...more,
})
const linesOf = (name: string) => readFileSync(join(dir, `${name}.log`), 'utf8').trim().split('\n').map(line => JSON.parse(line) as StepLine) // biome-ignore format: one thought
const weightsOf = (name: string) => readFileSync(join(dir, name, 'model.safetensors')).toString('base64')
/** Rewards so large that scaled gradients overflow: the scale has to come down. */
const loud: Partial<TrainOptions> = { weigh: (rewards, lengths) => tokenWeights(rewards, lengths).map(w => w * 30) }

test('the log tells the scale, skipped steps move nothing, and the others do what single precision does', async () => {
  const { folder, data } = await dataOf(golden)
  await train(folder, data, options('single', 'float32', loud))
  await train(folder, data, options('half', 'float16', loud))
  const [single, half] = [linesOf('single'), linesOf('half')]
  assert.equal(half.map(({ step }) => step), single.map(({ step }) => step)) // biome-ignore format: one thought
  const skipped = half.filter(line => line.skipped)
  assert.ok(skipped.length > 0 && skipped.length < 9, `${skipped.length} skipped`)
  let scale = 2 ** 16
  for (const line of half) {
    assert.is(line.scale, scale)
    if (line.skipped) scale /= 2
  }
  assert.ok(single.every(line => line.scale === undefined && line.skipped === undefined))
  const first = half.find(line => !line.skipped)!
  const alike = single.find(({ step }) => step === first.step)!
  if (first.step === 1) assert.ok(Math.abs(first.grad_norm - alike.grad_norm) < 2e-2 * alike.grad_norm)
})

test('a run that is stopped and taken up ends with the same weights, scale and log', async () => {
  let asked = 0
  const { folder, data } = await dataOf(golden)
  assert.is(await train(folder, data, options('cut', 'float16', loud), () => ++asked >= 4), false)
  assert.ok(existsSync(join(dir, 'cut.part')))
  assert.is(await train(folder, data, options('cut', 'float16', { ...loud, resume: true })), true)
  assert.is(weightsOf('cut'), weightsOf('half'))
  const plain = (name: string) =>
    linesOf(name).map(({ step, loss, scale, skipped }) => ({ step, loss, scale, skipped }))
  assert.equal(plain('cut'), plain('half'))
  // With the state on the device, a run is over where a step overflows.
  assert.is(await train(folder, data, options('carried', 'float16', { ...loud, carried: true, saveEvery: 5 })), true)
  assert.is(weightsOf('carried'), weightsOf('half'))
  assert.equal(plain('carried'), plain('half'))
  const changed = options('other', 'float16')
  await train(folder, data, changed, () => true)
  await train(folder, data, { ...changed, compute: 'float32', resume: true }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /--compute was "float16" and is "float32"/),
  )
})

test('adapters over a checkpoint in halves: its weights stay as they are stored', async () => {
  const path = join(dir, 'bf16')
  await convert(golden, path, { dtype: 'bf16', verify: false })
  const { folder, data } = await dataOf(path)
  assert.is(await storedIn(folder), 'bfloat16')
  assert.is(await storedIn(await openFolder(golden)), 'float32')
  const lora = { rank: 2, alpha: 4 }
  const { parts, trained } = await openPolicy(folder, { trainVision: false, lora: { ...lora, seed: 1 }, compute: 'bfloat16' }) // biome-ignore format: one thought
  const graph = parts.model!
  const casts = graph.nodes.filter(
    ({ op, inputs }) => op === 'Cast' && graph.initializer(inputs[0])?.shape.length === 2,
  )
  assert.equal(casts.map(({ inputs }) => inputs[0]).sort(), trained.map(({ name }) => name).sort()) // biome-ignore format: one thought
  const lines = await dryRun(folder, data, options('dry', 'bfloat16', { lora }), 2 ** 31)
  assert.ok(lines.some(line => /frozen weights/.test(line)))
  await train(folder, data, options('lora', 'float16', { lora, maxSteps: 3 }))
  assert.is((await openFolder(join(dir, 'lora'))).kind, 'lm')
  assert.ok(linesOf('lora').every(({ loss }) => Number.isFinite(loss)))
})

test('adapters beside weights of four bits, products in float16: the loss falls, the adapter goes with the folder', async () => {
  const path = join(dir, 'q4')
  await convert(golden, path, { dtype: 'q4', compute: 'fp16', verify: false })
  const { folder, data } = await dataOf(path)
  const many = { lora: { rank: 4, alpha: 8 }, batchSize: 12, epochs: 12, warmup: 0 }
  await train(folder, data, options('four', 'float16', many))
  const lines = linesOf('four')
  assert.is(lines.length, 12)
  assert.ok(lines[11].loss < 0.9 * lines[0].loss, `from ${lines[0].loss} to ${lines[11].loss}`)
  assert.ok(lines.every(({ skipped }) => !skipped))
  const adapted = await openFolder(path, { adapter: join(dir, 'four', 'adapter') })
  const { graph } = await adapted.graph('model')
  assert.is([...graph.initializers.keys()].filter(name => name.endsWith('.lora_A.weight')).length, 14)
  await train(folder, data, options('no', 'bfloat16', many)).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /graphs that compute in float16, and no checkpoint/),
  )
})

test.run()
