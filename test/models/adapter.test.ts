/** LoRA adapters pass between PEFT and us. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HostTensor } from '../../src/graph/session.ts'
import { readAdapter, saveAdapter } from '../../src/models/adapter.ts'
import { openFolder } from '../../src/models/folder.ts'
import { loadTensor } from '../../src/models/safetensors.ts'
import { saveFolder } from '../../src/models/save.ts'
import { apart, golden, Runner, scratch } from './tiny.ts'

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
  const { logits } = await new Runner(await openFolder(target)).run(given)
  const difference = apart(logits, await tensor('adapted.logits'), given.mask)
  assert.ok(difference < 1e-4, `logits differ by ${difference}`)
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
