/** Whole runs of the loop, on the small random models of fixtures/golden/models. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAdapter } from '../../src/models/adapter.ts'
import { openChat } from '../../src/models/chat.ts'
import { type ModelFolder, openFolder } from '../../src/models/folder.ts'
import { loadTensor } from '../../src/models/safetensors.ts'
import { tokenWeights } from '../../src/sophia/objective.ts'
import { Dataset } from '../../src/train/dataset.ts'
import type { StepLine } from '../../src/train/log.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { zeros } from '../../src/train/state.ts'
import { type TrainOptions, train } from '../../src/train/train.ts'
import { verifySaved } from '../../src/train/verify.ts'

const test = suite('train: runs')
const dir = mkdtempSync(join(tmpdir(), 'sophia-train-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const models = 'fixtures/golden/models'
const picture = readFileSync(`${models}/llava/picture0.png`)

async function open(name: 'llava' | 'qwen2'): Promise<[ModelFolder, Dataset]> {
  const folder = await openFolder(join(models, name))
  const load = async () => Uint8Array.from(picture)
  const data = new Dataset({ chat: await openChat(folder), eos: folder.eos, load, maxLength: 999 })
  for (let i = 0; i < 12; i++) {
    const images = name === 'llava' && i % 3 > 0 ? ['a picture'] : []
    const user = { role: 'user' as const, text: `What is ${i}?`, images: images.length }
    await data.add({ id: `${i}`, messages: [user, { role: 'assistant', text: 'It is '.repeat(1 + (i % 4)) }], images, weight: 1 }) // biome-ignore format: one thought
  }
  return [folder, data]
}

const options = (name: string, more: Partial<TrainOptions> = {}): TrainOptions => ({
  output: join(dir, name),
  resume: false,
  lr: 1e-2,
  weightDecay: 0.05,
  betas: [0.9, 0.95],
  clip: 1,
  batchSize: 5,
  epochs: 3,
  warmup: 2,
  lrFloor: 0.25,
  microTokens: 64,
  trainVision: false,
  recompute: false,
  seed: 1,
  saveEvery: 2,
  device: 'cpu',
  threads: 1,
  log: join(dir, `${name}.log`),
  quiet: true,
  weigh: tokenWeights,
  ...more,
})

const weightsOf = (name: string) => readFileSync(join(dir, name, 'model.safetensors')).toString('base64')
const linesOf = (name: string) =>
  readFileSync(join(dir, `${name}.log`), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as StepLine)

test('a run writes a folder that opens, and one line a step', async () => {
  const [folder, data] = await open('llava')
  assert.is(await train(folder, data, options('whole')), true)
  const lines = linesOf('whole')
  assert.equal(
    lines.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  assert.equal(
    lines.map(({ epoch }) => epoch),
    [1, 1, 1, 2, 2, 2, 3, 3, 3],
  )
  assert.ok(lines[8].loss < lines[0].loss && lines[8].drift! > lines[0].drift!)
  assert.is(lines[4].drift, undefined)
  for (const { loss, logprob } of lines) assert.ok(Math.abs(loss + logprob) < 1e-4) // all rewards are 1
  const files = readdirSync(join(dir, 'whole'))
  for (const file of ['config.json', 'tokenizer.json', 'preprocessor_config.json', 'model.safetensors', 'onnx'])
    assert.ok(files.includes(file), file)
  assert.not.ok(existsSync(join(dir, 'whole.part')))
  const made = await openFolder(join(dir, 'whole'))
  assert.is(made.kind, 'vlm')
  const [before, after] = await Promise.all([folder, made].map(tensors))
  const changed = [...after].filter(([name, values]) => values.some((value, i) => value !== before.get(name)![i]))
  const names = changed.map(([name]) => name)
  assert.ok(names.some(name => name.startsWith('language_model.')) && names.some(name => name.includes('projector')))
  assert.not.ok(names.some(name => name.startsWith('vision_tower.')))
})

test('a run that is stopped and taken up, twice, ends with the same weights and the same log', async () => {
  const [folder, data] = await open('llava')
  let asked = 0
  const stopAt = (count: number) => () => ++asked >= count
  assert.is(await train(folder, data, options('cut'), stopAt(9)), false)
  assert.ok(existsSync(join(dir, 'cut.part')) && !existsSync(join(dir, 'cut')))
  const again = options('cut', { resume: true })
  const [other, samples] = await open('llava')
  asked = 0
  assert.is(await train(other, samples, again, stopAt(10)), false)
  assert.is(await train(other, samples, again), true)
  assert.is(weightsOf('cut'), weightsOf('whole'))
  const losses = (name: string) => linesOf(name).map(({ step, loss }) => [step, loss])
  assert.equal(losses('cut'), losses('whole'))
})

test('runs of several steps, stopped and taken up, end with the same weights, log and checkpoints', async () => {
  const [folder, data] = await open('llava')
  const carried = { carried: true, saveEvery: 4 }
  let runs = 0
  assert.is(await train(folder, data, options('carried', carried), () => ++runs > 99), true)
  assert.is(runs, 4) // step 1, to 4, to 8, 9: where drift is told and checkpoints are written
  runs = 0
  assert.is(await train(folder, data, options('taken', { ...carried, saveEvery: 3 }), () => ++runs === 2), false)
  assert.equal(readdirSync(join(dir, 'taken.part')), ['step-00000003'])
  assert.is(await train(folder, data, options('taken', { ...carried, resume: true })), true)
  const told = (name: string) => linesOf(name).map(({ seconds, tokens_per_second, ...line }) => line)
  for (const name of ['carried', 'taken']) {
    assert.is(weightsOf(name), weightsOf('whole'))
    assert.equal(told(name), told('whole'))
  }
  const [one, two] = linesOf('carried').slice(1, 3)
  const positions = (line: StepLine) => (line.tokens_per_second * line.seconds) / (1 - line.padding)
  assert.ok(Math.abs(one.seconds / two.seconds / (positions(one) / positions(two)) - 1) < 1e-4) // shared out
  const lora = { rank: 2, alpha: 6 }
  const [text, texts] = await open('qwen2')
  await train(text, texts, options('adapters', { lora, maxSteps: 4 }))
  await train(text, texts, options('carried-adapters', { ...carried, lora, maxSteps: 4 }))
  assert.is(weightsOf('carried-adapters'), weightsOf('adapters'))
})

test('--resume with other settings is refused', async () => {
  const [folder, data] = await open('qwen2')
  await train(folder, data, options('other'), () => true)
  const changed = options('other', { resume: true, lr: 5, batchSize: 6 })
  try {
    await train(folder, data, changed)
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /--lr was 0.01 and is 5; --batch-size was 5 and is 6/)
  }
})

test('--train-vision trains the tower too', async () => {
  const [folder, data] = await open('llava')
  await train(folder, data, options('vision', { trainVision: true, maxSteps: 2 }))
  const [before, after] = await Promise.all([folder, await openFolder(join(dir, 'vision'))].map(tensors))
  const name = [...after.keys()].find(name => /vision_tower.*fc1\.weight/.test(name))!
  assert.not.equal(after.get(name), before.get(name))
})

test('LoRA changes nothing but its targets, by s B A, and leaves the adapter', async () => {
  const [folder, data] = await open('qwen2')
  const lora = { rank: 2, alpha: 6 }
  await train(folder, data, options('lora', { lora, maxSteps: 4 }))
  const [before, after] = await Promise.all([folder, await openFolder(join(dir, 'lora'))].map(tensors))
  const adapter = await readAdapter(join(dir, 'lora', 'adapter'))
  assert.equal([adapter.rank, adapter.alpha], [2, 6])
  let moved = 0
  for (const [name, values] of after) {
    const start = before.get(name)!
    const module = name.replace(/\.weight$/, '')
    const [a, b] = ['A', 'B'].map(which => adapter.weights.get(`${module}.lora_${which}.weight`))
    if (!a || !b) {
      assert.equal(values, start, name)
      continue
    }
    const [out, into] = [b.shape[0], a.shape[1]]
    for (let o = 0; o < out; o++) {
      for (let i = 0; i < into; i++) {
        let low = 0
        for (let r = 0; r < 2; r++) low += Number(b.data[o * 2 + r]) * Number(a.data[r * into + i])
        const expected = start[o * into + i] + 3 * low
        assert.ok(Math.abs(values[o * into + i] - expected) < 1e-5, name)
        moved += Math.abs(3 * low)
      }
    }
  }
  assert.ok(moved > 0.01)
})

test('what is not what was trained is found out, merged or beside', async () => {
  const [folder, data] = await open('qwen2')
  const lora = { rank: 2, alpha: 6, seed: 1 }
  const policy = await openPolicy(folder, { trainVision: false, lora })
  const adapter = join(dir, 'lora', 'adapter')
  const { weights } = await readAdapter(adapter)
  const [[sequence]] = await data.batch([[0]], [1])
  const how = { fit: {}, session: { threads: 1 } }
  const check = (saved: { model?: string; adapter?: string }, given = weights) =>
    verifySaved(saved, folder, policy, given, sequence, how).then(() => '', (error: Error) => error.message) // biome-ignore format: one thought
  assert.is(await check({ model: join(dir, 'lora'), adapter }), '')
  const start = new Map(policy.trained.map(({ name }) => [name, zeros(weights.get(name)!.shape)]))
  assert.match(await check({ model: join(dir, 'lora') }, start), /lora: what was saved gives a log-probability .* from what was trained/) // biome-ignore format: one thought
  assert.match(await check({ adapter }, start), /adapter: what was saved gives/)
  assert.is(await check({ model: join(models, 'qwen2') }, start), '')
})

test('a loss that is no number stops the run and keeps the last good checkpoint', async () => {
  const [folder, data] = await open('qwen2')
  let steps = 0
  const weigh = (rewards: number[], lengths: number[]) =>
    ++steps < 4 ? tokenWeights(rewards, lengths) : rewards.map(() => Number.NaN)
  try {
    await train(folder, data, options('nan', { weigh }))
    assert.unreachable()
  } catch (error) {
    assert.match(
      (error as Error).message,
      /step 4: the loss is NaN.*nan\.part holds the last good checkpoint.*lower --lr/,
    )
  }
  assert.equal(readdirSync(join(dir, 'nan.part')), ['step-00000002'])
  assert.is(linesOf('nan').length, 3)
})

/** Every float tensor of a folder's checkpoint. */
async function tensors({ checkpoint }: ModelFolder): Promise<Map<string, Float32Array>> {
  const { folder, tensors } = checkpoint!
  const loaded = [...tensors].map(async ([name, tensor]) => {
    const { data } = await loadTensor(tensor, folder, true)
    return [name, data as Float32Array] as const
  })
  return new Map(await Promise.all(loaded))
}

test.run()
