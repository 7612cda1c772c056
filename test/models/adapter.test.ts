/** LoRA adapters pass between PEFT and us. */

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGenerator } from '../../src/generate/index.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import { readAdapter, saveAdapter } from '../../src/models/adapter.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import { saveFolder } from '../../src/models/save.ts'
import { apart, golden, goldenPath, Runner, scratch } from './tiny.ts'

const test = suite('models: adapter')

test("PEFT's adapter, merged by W + alpha/r · B A, gives PEFT's logits", async () => {
  const { path, inputs, tensor } = await golden('llava')
  const folder = await openFolder(path)
  const { rank, alpha, weights } = await readAdapter(join(path, 'adapter'))
  assert.equal([rank, alpha, weights.size], [2, 6, 8])
  const merged = new Map<string, HostTensor>()
  for (const [name, a] of weights) {
    const module = /^(.*)\.lora_A\.weight$/.exec(name)?.[1]
    if (!module) continue
    const b = weights.get(`${module}.lora_B.weight`)!
    const w = await loadTensor(folder.checkpoint!.tensors.get(`${module}.weight`)!, folder.onnx)
    const [out, into] = w.shape
    const data = Float32Array.from(w.data as Float32Array, (x, i) => {
      let sum = 0
      for (let r = 0; r < rank; r++)
        sum += Number(b.data[Math.floor(i / into) * rank + r]) * Number(a.data[r * into + (i % into)])
      return x + (alpha / rank) * sum
    })
    merged.set(`${module}.weight`, { dtype: 'float32', shape: [out, into], data })
  }
  const target = join(scratch(), 'merged')
  await saveFolder(folder, target, merged)
  const given = await inputs('one')
  const expected = await tensor('adapted.logits')
  for (const opened of [await openFolder(target), await openFolder(path, { adapter: join(path, 'adapter') })]) {
    const { logits } = await new Runner(opened).run(given)
    const difference = apart(logits, expected, given.mask)
    assert.ok(difference < 1e-4, `logits differ by ${difference}`)
  }
  const texts = (options: { model: string; adapter?: string }) => greedy({ ...options, images: [picture] })
  const plain = await texts({ model: path })
  const joined = await texts({ model: target })
  assert.is(await texts({ model: path, adapter: join(path, 'adapter') }), joined)
  assert.is.not(plain, joined)
})

const picture = readFileSync('fixtures/golden/models/llava/picture0.png')

async function greedy({ images, ...options }: { model: string; adapter?: string; images: Uint8Array[] }) {
  const sampling = { seed: 0, temperature: 0, topP: 1, maxTokens: 16 }
  const generator = await createGenerator({ ...options, device: 'cpu', sampling, quiet: true })
  const request = { messages: [{ role: 'user' as const, text: 'Q?', images: 1 }], images, keys: ['a'] }
  for await (const made of generator.generate([request])) {
    await generator.close()
    return 'error' in made ? made.error.message : made.text
  }
}

test('an adapter of another model is refused by name', async () => {
  const { path } = await golden('llava')
  const refusal = async (model: string, adapter: string) => {
    try {
      await openFolder(model, { adapter })
      return 'opened'
    } catch (error) {
      return (error as Error).message
    }
  }
  const { path: other } = await golden('qwen2')
  assert.match(await refusal(other, join(path, 'adapter')), /has no weight language_model\.model\.layers\..* to adapt/)
  assert.match(await refusal(path, path), /found no adapter_config\.json/)
  const dir = scratch()
  cpSync(join(path, 'adapter'), dir, { recursive: true })
  const config = JSON.parse(readFileSync(join(dir, 'adapter_config.json'), 'utf8'))
  writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify({ ...config, use_dora: true, rank_pattern: {} }))
  assert.match(await refusal(path, dir), /plain LoRA adapter, got LORA with use_dora$/)
})

test('modules are called as in the code that runs the checkpoint', async () => {
  const plain = 'language_model.model.layers.0.self_attn.q_proj'
  const cases = [
    ['internvl', 'model.language_model.layers.0.self_attn.q_proj'], // in transformers
    ['internvl_chat', plain], // in the authors' repository, and in vLLM
  ]
  for (const [name, module] of cases) {
    const folder = await openFolder(goldenPath(name))
    const dir = scratch()
    const [out, into] = folder.checkpoint!.tensors.get(`${plain}.weight`)!.shape
    const ones = (shape: number[]): HostTensor => ({ dtype: 'float32', shape, data: new Float32Array(shape[0] * shape[1]).fill(1) }) // biome-ignore format: one thought
    const weights = new Map([[`${plain}.lora_A.weight`, ones([1, into])], [`${plain}.lora_B.weight`, ones([out, 1])]]) // biome-ignore format: a table
    await saveAdapter(dir, folder, weights, { rank: 1, alpha: 1, targets: ['q_proj'] })
    const { tensors } = await readSafetensors(join(dir, 'adapter_model.safetensors'))
    assert.equal(
      [...tensors.keys()],
      ['A', 'B'].map(kind => `base_model.model.${module}.lora_${kind}.weight`),
    )
    assert.equal(JSON.parse(readFileSync(join(dir, 'adapter_config.json'), 'utf8')).target_modules, [module])
    assert.equal([...(await readAdapter(dir, folder.config)).weights.keys()], [...weights.keys()])
  }
})

test('ours is written as PEFT writes its own', async () => {
  const { path } = await golden('llava')
  const held = await readAdapter(join(path, 'adapter'))
  const dir = scratch()
  await saveAdapter(dir, await openFolder(path), held.weights, { ...held, targets: ['q_proj', 'down_proj'] })
  const bytes = (folder: string) => readFile(join(folder, 'adapter_model.safetensors'))
  assert.equal(await bytes(dir), await bytes(join(path, 'adapter')))
  assert.equal((await readAdapter(dir)).weights, held.weights)
  const config = JSON.parse(await readFile(join(dir, 'adapter_config.json'), 'utf8'))
  assert.equal([config.peft_type, config.r, config.lora_alpha], ['LORA', 2, 6])
  assert.ok(
    config.target_modules.includes('model.language_model.layers.1.mlp.down_proj'),
    String(config.target_modules),
  )
})

test.run()
