/**
 * Graphs that others exported, as the Hub has them: optimum's (with the fp16, q4 and q4f16 that transformers.js' scripts
 * make of it) and onnxruntime-genai's. Each against PyTorch with the same weights: fixtures/golden/make_exports.py.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cacheNames, forward, partsOf } from '../../src/generate/forward.ts'
import { emptyCache } from '../../src/generate/prefill.ts'
import { copyOf } from '../../src/graph/copy.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { type Message, openChat } from '../../src/models/chat.ts'
import { type ModelFolder, openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import { learnable } from '../../src/train/learnable.ts'
import { openPolicy } from '../../src/train/policy.ts'
import { alike, answers, exportsPath, laid, picked, places } from './exports.ts'
import { differentiated, labelled } from './learnt.ts'
import { golden, scratch } from './tiny.ts'

const test = suite('models: exports')
const qwen = await golden('qwen2')
const names = [...qwen.names]
const dir = scratch()
const held = await readSafetensors(join(exportsPath, 'golden.safetensors'))
const made = (key: string) => loadTensor(held.tensors.get(key)!, held.folder)
const cases: Record<string, { greedy: number[][]; loss: number }> = JSON.parse(
  await readFile(join(exportsPath, 'golden.json'), 'utf8'),
)

const optimum = laid('optimum', dir)
/**
 * Name of the export → where it is; how far half precision may be from single; whether its kernels round activations
 * to eight bits, which is then turned off.
 */
const EXPORTS: Record<string, { model: string; dtype?: string; loose?: number; rounds?: boolean }> = {
  'optimum-fp32': { model: optimum },
  'optimum-fp16': { model: optimum, dtype: 'fp16', loose: 0.1 },
  'optimum-q4': { model: optimum, dtype: 'q4' },
  'optimum-q8': { model: optimum, dtype: 'q8' },
  'optimum-q4f16': { model: optimum, dtype: 'q4f16', loose: 0.1 },
  'genai-fp32': { model: laid('genai-fp32', dir) },
  'genai-fp16': { model: laid('genai-fp16', dir), loose: 0.1 },
  'genai-half': { model: laid('genai-half', dir), loose: 0.1 },
  'genai-int4': { model: laid('genai-int4', dir), rounds: true },
}

/** The last positions' logits of case `one`, (1, 8, V). */
async function expected(name: string, adapted: boolean): Promise<Float32Array> {
  if (adapted) return (await made(`${name === 'optimum-fp32' ? 'genai-fp32' : name}.adapted`)).data as Float32Array
  if (name !== 'optimum-fp32') return (await made(`${name}.logits`)).data as Float32Array
  const { data, shape } = await qwen.tensor('one.logits')
  return (data as Float32Array).slice(-8 * shape[2])
}

/** The same as sampling has them. */
async function logitsOf(folder: ModelFolder, rounds = false): Promise<Float32Array> {
  const parts = await partsOf(folder)
  if (rounds) parts.decoder = exact(parts.decoder)
  const ids = qwen.cases.one.ids[0]
  const feeds = { ids: int64(ids), mask: int64(ids.map(() => 1)), positions: int64(ids.map((_, t) => t)) }
  const g = new Graph('whole')
  for (const [input, { dtype, shape }] of Object.entries(feeds)) g.input(input, dtype, shape)
  const past = cacheNames(parts.decoder).map(input => emptyCache(g, parts.decoder, input, 'ids'))
  const { logits } = forward(g, parts, { ids: 'ids', mask: 'mask', positions: 'positions', past })
  g.output(g.op('Cast', [logits], { to: 1 }), 'logits')
  const session = await openSession(modelOf(g), { threads: 1, folder: folder.onnx })
  const ran = await session.run(feeds)
  await session.close()
  return ran.logits.data as Float32Array
}

/** Products as in floats: the activations are not rounded. */
const exact = (graph: Graph) =>
  copyOf(graph, (g, node) => g.add(node.op === 'MatMulNBits' ? { ...node, attrs: { ...node.attrs, accuracy_level: 1 } } : node)) // biome-ignore format: one thought

const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(b).reduce((most, x, i) => Math.max(most, Math.abs(x - Number(a[i]))), 0)

for (const [name, { model, dtype, rounds, loose = 1e-4 }] of Object.entries(EXPORTS)) {
  test(`${name}: logits, plain and with an adapter`, async () => {
    for (const adapter of [undefined, join(exportsPath, 'adapter')]) {
      const theirs = await expected(name, adapter !== undefined)
      const ran = await logitsOf(await openFolder(model, { dtype, adapter }), rounds)
      const difference = apart(ran.slice(-theirs.length), theirs)
      if (process.env.SHOW) console.log(name, difference)
      assert.ok(difference < loose, `logits differ by ${difference}`)
    }
  })

  test(`${name}: greedy text of rows of unequal length`, async () => {
    const { messages, greedy_text } = qwen.cases.padded
    const ask = (chats: Message[][]) => answers(model, chats, { dtype, maxTokens: 10 })
    const together = await ask(messages)
    const alone = [...(await ask([messages[0]])), ...(await ask([messages[1]]))]
    together.forEach(({ text, logprob }, i) => {
      assert.is(text, alone[i].text)
      const off = Math.abs(logprob - alone[i].logprob)
      assert.ok(off < 10 * (rounds ? 0.1 : loose), `row ${i}: padded, its log-probability is off by ${off}`)
    })
    const texts = together.map(({ text }) => text)
    const chat = await openChat(await openFolder(model, { dtype }))
    const stops = new Set([264, 266])
    const theirs = name === 'optimum-fp32' ? greedy_text : cases[name].greedy.map(row => chat.decode(row.filter(id => !stops.has(id)))) // biome-ignore format: one thought
    assert.equal(texts, theirs)
  })
}

/** Case `train` of models/qwen2, in one micro-batch. */
const batch = await labelled(qwen, qwen.cases.padded.ids.map(ids => ({ ids }))) // biome-ignore format: one thought

for (const [name, { model, dtype }] of Object.entries(EXPORTS)) {
  test(`${name}: loss and gradients with an adapter`, async () => {
    const folder = await openFolder(model, { dtype, adapter: join(exportsPath, 'adapter') })
    const graph = (await folder.graph('model')).graph
    const weights = [...graph.initializers.keys()].filter(key => key.includes('.lora_'))
    assert.is(weights.length, 16)
    const parts = learnable({ model: graph }, weights.map(key => ({ name: key, start: graph.initializers.get(key)!, decays: true }))) // biome-ignore format: one thought
    const ran = await differentiated(parts, weights, batch, folder.onnx)
    const truth = name === 'optimum-fp32' ? 'genai-fp32' : name
    const loss = Number(ran.loss.data[0])
    assert.ok(Math.abs(loss - cases[truth].loss) < 1e-4 * loss, `loss ${loss}, expected ${cases[truth].loss}`)
    for (const weight of weights) {
      const theirs = (await made(`${truth}.lora.${weight}`)).data as Float32Array
      alike(ran[`grad.${weight}`].data as Float32Array, theirs, `${name}: ${weight}`)
    }
  })
}

for (const name of ['optimum-fp32', 'genai-fp32']) {
  test(`${name}: the gradient of every tensor`, async () => {
    const folder = await openFolder(EXPORTS[name].model)
    const { parts, trained } = await openPolicy(folder, { trainVision: false })
    const ran = await differentiated(parts, trained.map(each => each.name), batch, folder.onnx) // biome-ignore format: one thought
    const loss = Number(ran.loss.data[0])
    const { loss: expected } = qwen.cases.train as unknown as { loss: number }
    assert.ok(Math.abs(loss - expected) < 1e-4, `loss ${loss}, expected ${expected}`)
    const at = places([(await folder.graph('model')).graph], trained.map(t => t.name)) // biome-ignore format: one thought
    const seen = new Set<string>()
    for (const key of names.filter(key => key.startsWith('grad.'))) {
      const weight = key.slice('grad.'.length)
      const place = at(weight === 'model.embed_tokens.weight' && name === 'genai-fp32' ? 'lm_head.weight' : weight)
      seen.add(place.name)
      const truth = (await qwen.tensor(key)).data as Float32Array
      alike(picked(ran[`grad.${place.name}`], place), truth, `${name}: ${weight}`)
    }
    assert.equal([...seen].sort(), trained.map(each => each.name).sort())
  })
}

function int64(values: number[]): HostTensor {
  return { dtype: 'int64', shape: [1, values.length], data: BigInt64Array.from(values, BigInt) }
}

test.run()
