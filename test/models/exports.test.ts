/**
 * Graphs that others exported, as the Hub has them: optimum's (with the fp16, q4 and q4f16 that transformers.js' scripts
 * make of it) and onnxruntime-genai's. Each against PyTorch with the same weights: fixtures/golden/make_exports.py.
 */

import { cpSync, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { forward, partsOf } from '../../src/generate/forward.ts'
import { createGenerator } from '../../src/generate/index.ts'
import { emptyCache } from '../../src/generate/prefill.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import { golden, goldenPath, scratch } from './tiny.ts'

const test = suite('models: exports')
const source = goldenPath('../exports')
const qwen = await golden('qwen2')
const dir = scratch()
const held = await readSafetensors(join(source, 'golden.safetensors'))
const made = (key: string) => loadTensor(held.tensors.get(key)!, held.folder)
const cases: Record<string, { greedy: number[][]; loss: number }> = JSON.parse(
  await readFile(join(source, 'golden.json'), 'utf8'),
)

/** An export laid out with what the tools copy beside it. */
function laid(name: string): string {
  const out = join(dir, name)
  mkdirSync(out, { recursive: true })
  cpSync(join(source, name), out, { recursive: true })
  const files = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']
  for (const file of name === 'optimum' ? ['config.json', ...files] : files) cpSync(join(qwen.path, file), join(out, file))
  return out
}

const optimum = laid('optimum')
/** Name of the export → where it is; how far its own kernels may be from single precision. */
const EXPORTS: Record<string, { model: string; dtype?: string; loose?: number }> = {
  'optimum-fp32': { model: optimum },
  'optimum-fp16': { model: optimum, dtype: 'fp16', loose: 0.1 },
  'optimum-q4': { model: optimum, dtype: 'q4' },
  'optimum-q4f16': { model: optimum, dtype: 'q4f16', loose: 0.1 },
  'genai-fp32': { model: laid('genai-fp32') },
  'genai-fp16': { model: laid('genai-fp16'), loose: 0.1 },
  'genai-half': { model: laid('genai-half'), loose: 0.1 },
  'genai-int4': { model: laid('genai-int4'), loose: 0.5 }, // it rounds activations to eight bits
}

/** The last positions' logits of case `one`, (1, 8, V). */
async function expected(name: string): Promise<Float32Array> {
  if (name !== 'optimum-fp32') return (await made(`${name}.logits`)).data as Float32Array
  const { data, shape } = await qwen.tensor('one.logits')
  return (data as Float32Array).slice(-8 * shape[2])
}

const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(b).reduce((most, x, i) => Math.max(most, Math.abs(x - Number(a[i]))), 0)

for (const [name, { model, dtype, loose = 1e-4 }] of Object.entries(EXPORTS)) {
  test(`${name}: logits`, async () => {
    const folder = await openFolder(model, { dtype })
    const parts = await partsOf(folder)
    const ids = qwen.cases.one.ids[0]
    const feeds: Record<string, HostTensor> = {
      ids: int64(ids),
      mask: int64(ids.map(() => 1)),
      positions: int64(ids.map((_, t) => t)),
    }
    const g = new Graph('whole')
    for (const [input, { dtype, shape }] of Object.entries(feeds)) g.input(input, dtype, shape)
    const past = parts.decoder.inputs
      .filter(input => input.startsWith('past'))
      .map(input => emptyCache(g, parts.decoder, input, 'ids'))
    const { logits } = forward(g, parts, { ids: 'ids', mask: 'mask', positions: 'positions', past })
    g.output(g.op('Cast', [logits], { to: 1 }), 'logits')
    const session = await openSession(modelOf(g), { threads: 1, folder: folder.onnx })
    const ran = (await session.run(feeds)).logits.data as Float32Array
    await session.close()
    const theirs = await expected(name)
    const difference = apart(ran.slice(-theirs.length), theirs)
    if (process.env.SHOW) console.log(name, difference)
    assert.ok(difference < loose, `logits differ by ${difference}`)
  })

  test(`${name}: greedy text of rows of unequal length`, async () => {
    const sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 10 }
    const generator = await createGenerator({ model, dtype, device: 'cpu', sampling, quiet: true })
    const { messages, greedy_text } = qwen.cases.padded
    const texts: string[] = []
    for await (const answer of generator.generate(messages.map((turns, i) => ({ messages: turns, images: [], keys: [i] }))))
      texts.push('error' in answer ? answer.error.message : answer.text)
    await generator.close()
    const { openChat } = await import('../../src/models/chat.ts')
    const chat = await openChat(await openFolder(model, { dtype }))
    const stops = new Set([264, 266])
    const theirs = name === 'optimum-fp32' ? greedy_text : cases[name].greedy.map(row => chat.decode(row.filter(id => !stops.has(id)))) // biome-ignore format: one thought
    assert.equal(texts, theirs)
  })
}

function int64(values: number[]): HostTensor {
  return { dtype: 'int64', shape: [1, values.length], data: BigInt64Array.from(values, BigInt) }
}

test.run()
