/** Training on others' graphs goes as on ours, which are checked against PyTorch: fixtures/golden/exports beside models/qwen2. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { copyOf } from '../../src/graph/copy.ts'
import type { Graph } from '../../src/graph/ir.ts'
import { readAdapter } from '../../src/models/adapter.ts'
import { openChat } from '../../src/models/chat.ts'
import { type ModelFolder, openFolder } from '../../src/models/folder.ts'
import { tokenWeights } from '../../src/sophia/objective.ts'
import { Dataset } from '../../src/train/dataset.ts'
import type { StepLine } from '../../src/train/log.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { type TrainOptions, train } from '../../src/train/train.ts'
import { answers, laid } from '../models/exports.ts'
import { complaint, goldenPath } from '../models/tiny.ts'

const test = suite('train: exports')
const dir = mkdtempSync(join(tmpdir(), 'sophia-exports-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const [own, optimum, genai, four] = [goldenPath('qwen2'), ...['optimum', 'genai-fp32', 'genai-int4'].map(name => laid(name, dir))] // biome-ignore format: one thought

async function run(model: string, name: string, more: Partial<TrainOptions> & { dtype?: string } = {}) {
  const folder = await openFolder(model, { dtype: more.dtype })
  const data = new Dataset({ chat: await openChat(folder), eos: folder.eos, load: async () => new Uint8Array(), maxLength: 999 }) // biome-ignore format: one thought
  for (let i = 0; i < 4; i++) {
    const user = { role: 'user' as const, text: `What is ${i}?`, images: 0 }
    await data.add({ id: `${i}`, messages: [user, { role: 'assistant', text: 'It is '.repeat(1 + (i % 3)) }], images: [], weight: 1 }) // biome-ignore format: one thought
  }
  const options: TrainOptions = {
    output: join(dir, name),
    resume: false,
    lr: 1e-2,
    weightDecay: 0.05,
    betas: [0.9, 0.95],
    clip: 1,
    batchSize: 4,
    epochs: 3,
    warmup: 0,
    lrFloor: 0.25,
    microTokens: 64,
    trainVision: false,
    recompute: false,
    seed: 1,
    saveEvery: 9,
    device: 'cpu',
    threads: 1,
    log: join(dir, `${name}.log`),
    quiet: true,
    weigh: tokenWeights,
    ...more,
  }
  assert.is(await train(folder, data, options), true)
  const lines = readFileSync(join(dir, `${name}.log`), 'utf8')
    .trim()
    .split('\n')
  return { out: options.output, lines: lines.map(line => JSON.parse(line) as StepLine) }
}

function alike(ours: StepLine[], theirs: StepLine[], what: string, limit = 1e-3) {
  assert.is(ours.length, 3)
  ours.forEach((line, i) => {
    for (const key of ['loss', 'grad_norm', 'logprob'] as const) {
      const [a, b] = [line[key], theirs[i][key]]
      assert.ok(Math.abs(a - b) <= limit * Math.abs(b), `${what}: ${key} of step ${i + 1}: ${a}, expected ${b}`)
    }
  })
}

const greedy = async (model: string, adapter?: string, dtype?: string): Promise<string> =>
  (await answers(model, [[{ role: 'user', text: 'What is 2?' }]], { adapter, dtype, maxTokens: 8 }))[0].text

test('the weights of an export learn as those of the checkpoint do, and are saved in its form', async () => {
  const truth = await run(own, 'own')
  assert.ok(truth.lines[2].loss < truth.lines[0].loss)
  const text = await greedy(truth.out)
  for (const [name, model, file] of [
    ['optimum-1', optimum, 'onnx/model.onnx'],
    ['genai-1', genai, 'model.onnx'],
  ]) {
    const made = await run(model, name)
    alike(made.lines, truth.lines, name)
    assert.ok(existsSync(join(made.out, file)))
    assert.is(existsSync(join(made.out, 'onnx')), file.startsWith('onnx'))
    assert.is(await greedy(made.out), text, name)
    assert.is.not(await greedy(model), text)
  }
})

test('half precision is trained in single and saved as it was', async () => {
  const made = await run(optimum, 'half', { dtype: 'fp16' })
  alike(made.lines, (await run(own, 'own-again')).lines, 'fp16', 0.02)
  const { graph } = await (await openFolder(made.out)).graph('model')
  assert.is(graph.initializers.get('model.embed_tokens.weight')!.dtype, 'float16')
})

test('adapters have the same names, values and effect, packed weights or not', async () => {
  const lora = { rank: 2, alpha: 4 }
  const truth = await run(own, 'own-lora', { lora })
  const { weights } = await readAdapter(join(truth.out, 'adapter'))
  const text = await greedy(own, join(truth.out, 'adapter'))
  for (const [name, model] of [
    ['optimum-lora', optimum],
    ['genai-lora', genai],
  ]) {
    const made = await run(model, name, { lora })
    alike(made.lines, truth.lines, name)
    const found = await readAdapter(join(made.out, 'adapter'))
    assert.equal([...found.weights.keys()].sort(), [...weights.keys()].sort())
    assert.is(await greedy(model, join(made.out, 'adapter')), text, `${name}: adapter`)
    assert.is(await greedy(made.out), text, `${name}: merged`)
  }
})

test('beside weights of four or eight bits the adapter is all that is saved, and says so', async () => {
  for (const [name, model, dtype] of [
    ['genai-four', four],
    ['optimum-four', optimum, 'q4'],
    ['optimum-eight', optimum, 'q8'],
  ]) {
    const made = await run(model, name, { dtype, lr: 0.1, lora: { rank: 2, alpha: 16 } })
    assert.ok(made.lines[2].loss < made.lines[0].loss)
    const adapter = join(made.out, 'adapter')
    assert.is((await readAdapter(adapter)).weights.size, 28)
    assert.is.not(await greedy(model, adapter, dtype), await greedy(model, undefined, dtype))
    assert.match(await complaint(() => openFolder(made.out)), /only an adapter: .*--adapter .*adapter/)
  }
})

test('of two graphs in one file both learn, and are saved as two', async () => {
  const merged = laid('merged-llama', dir)
  const full = await run(merged, 'merged-full')
  assert.ok(full.lines[2].loss < full.lines[0].loss)
  const saved = (await (await openFolder(full.out)).graph('decoder_model_merged')).graph
  assert.ok(saved.inputs.includes('use_cache_branch'))
  assert.is.not(await greedy(full.out), await greedy(merged))
  const made = await run(merged, 'merged-lora', { lr: 0.1, lora: { rank: 2, alpha: 16 } })
  const text = await greedy(merged, join(made.out, 'adapter'))
  assert.is.not(text, await greedy(merged))
  assert.is(await greedy(made.out), text)
  const twice = () => openFolder(made.out, { adapter: join(made.out, 'adapter') })
  assert.match(await complaint(twice), /have this adapter in them\. Leave it out/)
})

test('what cannot be trained is told from the graph alone', async () => {
  assert.match(await complaint(async () => openPolicy(await openFolder(four), { trainVision: false })), /quantized .*MatMulNBits at node .*--lora/) // biome-ignore format: one thought
  const eight = openFolder(optimum, { dtype: 'q8' })
  assert.match(await complaint(async () => openPolicy(await eight, { trainVision: false })), /quantized .*DequantizeLinear at node .*--lora/) // biome-ignore format: one thought
  const folder = await openFolder(optimum)
  const { graph, ...rest } = await folder.graph('model')
  const strange = (g: Graph): Graph =>
    copyOf(g, (into, node) => into.add(node.name === '/model/layers.1/mlp/act_fn/Sigmoid' ? { ...node, op: 'Strange', domain: 'com.microsoft' } : node)) // biome-ignore format: one thought
  const other: ModelFolder = { ...folder, onnx: '/nowhere', graph: async () => ({ ...rest, graph: strange(graph) }) }
  for (const lora of [undefined, { rank: 1, alpha: 1, seed: 1 }]) {
    const message = await complaint(() => openPolicy(other, { trainVision: false, lora }))
    assert.match(message, /com\.microsoft\.Strange .*node \/model\/layers\.1\/mlp\/act_fn\/Sigmoid/)
  }
})

test.run()
