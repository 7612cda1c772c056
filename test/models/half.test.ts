/** 16-bit floats, in memory and as what checkpoints are stored in. */

import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { buildGraphs, type Compute } from '../../src/models/builders/index.ts'
import { convert } from '../../src/models/convert.ts'
import { openFolder, weightsOf } from '../../src/models/folder.ts'
import { type Half, narrow, widen } from '../../src/models/half.ts'
import { loadTensor, openCheckpoint, tensorOf, writeSafetensors } from '../../src/models/safetensors.ts'
import { saveFolder } from '../../src/models/save.ts'
import { stream } from '../../src/random.ts'
import { openPolicy, startingWeights } from '../../src/train/policy.ts'
import { apart, golden, goldenPath, Runner, scratch } from './tiny.ts'

const test = suite('models: half precision')
const dir = scratch()

for (const dtype of ['bfloat16', 'float16'] as const) {
  test(`${dtype}: all bit patterns come back`, () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const wide = widen(all, dtype)
    const back = narrow(wide, dtype)
    for (let i = 0; i < 65536; i++) {
      if (Number.isNaN(wide[i])) assert.ok(Number.isNaN(widen(back.subarray(i, i + 1), dtype)[0]))
      else assert.is(back[i], i, `${wide[i]}`)
    }
  })

  test(`${dtype}: what lies between goes to the nearer, in the middle to the even`, () => {
    const finite = Array.from({ length: 32768 }, (_, i) => i).filter(i => Number.isFinite(widen(Uint16Array.of(i), dtype)[0])) // biome-ignore format: one thought
    const values = widen(Uint16Array.from(finite), dtype)
    const draw = stream(1, dtype)
    for (let i = 0; i + 1 < finite.length; i += 1 + Math.floor(draw() * 5)) {
      const [a, b] = [values[i], values[i + 1]]
      const middle = (a + b) / 2 // exact in single precision, but for bfloat16's subnormals
      if (Math.fround(middle) !== middle) continue
      const even = finite[i] % 2 === 0 ? finite[i] : finite[i + 1]
      assert.equal([...narrow([middle, -middle], dtype)], [even, even | 0x8000])
      const [below, above] = [a + (b - a) * 0.49, a + (b - a) * 0.51].map(Math.fround)
      if (below < middle && below > a) assert.is(narrow([below], dtype)[0], finite[i])
      if (above > middle && above < b) assert.is(narrow([above], dtype)[0], finite[i + 1])
    }
    assert.is(widen(narrow([1e39], dtype), dtype)[0], Number.POSITIVE_INFINITY)
  })
}

/** The golden checkpoint with its weights rounded to `half`, stored so or in single precision. */
async function rounded(name: string, half: Half, whole: boolean): Promise<string> {
  const out = join(dir, `${name}-${half}-${whole}`)
  await cp(goldenPath(name), out, { recursive: true })
  const { tensors, folder } = (await openCheckpoint(goldenPath(name)))!
  const stored = new Map()
  for (const [key, tensor] of tensors) {
    const host = await loadTensor(tensor, folder)
    const bits = narrow(host.data as Float32Array, half)
    stored.set(key, tensorOf(whole ? { ...host, data: widen(bits, half) } : { ...host, dtype: half, data: bits }))
  }
  await rm(join(out, 'model.safetensors'))
  await writeSafetensors(join(out, 'model.safetensors'), stored, out)
  return out
}

for (const half of ['bfloat16', 'float16'] as const) {
  test(`a ${half} checkpoint opens as it is and computes in single precision`, async () => {
    for (const name of ['qwen2', 'llava']) {
      const given = await (await golden(name)).inputs('padded')
      const [stored, whole] = [await rounded(name, half, false), await rounded(name, half, true)]
      const run = async (path: string) => (await new Runner(await openFolder(path)).run(given)).logits
      const [ours, same] = [await run(stored), await run(whole)]
      assert.is(apart(ours, same, given.mask), 0)
      const out = join(dir, `${name}-${half}-saved`)
      await saveFolder(await openFolder(stored), out, new Map())
      assert.equal(await readFile(join(out, 'model.safetensors')), await readFile(join(stored, 'model.safetensors')))
      assert.is(apart(await run(out), same, given.mask), 0)
    }
  })
}

test('trained weights are rounded to what the checkpoint is stored in', async () => {
  const source = await openFolder(await rounded('qwen2', 'bfloat16', false))
  const norm: HostTensor = { dtype: 'float32', shape: [32], data: new Float32Array(32).fill(1 + 2 ** -8 + 2 ** -12) }
  const out = join(dir, 'trained')
  await saveFolder(source, out, new Map([['model.norm.weight', norm]]))
  const saved = (await openCheckpoint(out))!
  const held = saved.tensors.get('model.norm.weight')!
  assert.is(held.dtype, 'bfloat16')
  assert.ok(((await loadTensor(held, saved.folder, true)).data as Float32Array).every(x => x === 1 + 2 ** -7))
})

test('a half checkpoint is trained in single precision, whatever its graphs compute in', async () => {
  const out = join(dir, 'half-products')
  await convert(await rounded('qwen2', 'float16', false), out, { compute: 'fp16' })
  for (const path of [out, await rounded('qwen2', 'bfloat16', false)]) {
    const folder = await openFolder(path)
    const policy = await openPolicy(folder, { trainVision: false })
    const { parts, trained } = policy
    assert.is(trained.length, folder.checkpoint!.tensors.size)
    const products = parts.model!.nodes.filter(({ op }) => op === 'MatMul')
    assert.ok(products.every(({ outputs }) => parts.model!.type(outputs[0]).dtype === 'float32'))
    for (const [name, { dtype, data }] of await startingWeights(policy)) {
      assert.is(dtype, 'float32')
      const stored = await loadTensor(folder.checkpoint!.tensors.get(name)!, folder.onnx, true)
      assert.equal(data, stored.data)
    }
    const { adapters } = await openPolicy(folder, { trainVision: false, lora: { rank: 2, alpha: 4, seed: 0 } })
    assert.is(adapters.length, 14)
  }
  // What training saves of it computes as it did.
  const saved = join(dir, 'half-products-saved')
  await saveFolder(await openFolder(out), saved, new Map())
  assert.is((await (await openFolder(saved)).graph('model')).metadata.compute, 'float16')
  const packed = await openPolicy(await openFolder(goldenPath('internlm2')), { trainVision: false, lora: { rank: 2, alpha: 4, seed: 0 } }) // biome-ignore format: one line
  assert.equal(packed.adapters.map(({ place }) => place.module.split('.').at(-1)), [1, 2].flatMap(() => ['wqkv', 'wo', 'w1', 'w3', 'w2'])) // biome-ignore format: one line
})

test('products in half precision: every border stays single, the logits are near', async () => {
  const { inputs, tensor } = await golden('qwen2')
  const given = await inputs('one')
  const path = await rounded('qwen2', 'float16', false)
  const { checkpoint, config, onnx } = await openFolder(path)
  const whole = await tensor('one.logits')
  for (const compute of ['float16', 'bfloat16'] satisfies Compute[]) {
    const { model } = buildGraphs(config, weightsOf(checkpoint!, path), compute)
    for (const name of [...model.inputs, ...model.outputs]) assert.match(model.type(name).dtype, /^(float32|int64)$/)
    const products = model.nodes.filter(node => node.op === 'MatMul').map(node => model.type(node.outputs[0]).dtype)
    assert.equal([...new Set(products)], [compute])
    const norms = model.nodes
      .filter(node => /Norm|Softmax/.test(node.op))
      .map(node => model.type(node.outputs[0]).dtype)
    assert.equal([...new Set(norms)], ['float32'])
    if (compute === 'bfloat16') continue // the CPU has no kernel for these products
    const length = given.ids.shape[1]
    const past = Object.fromEntries(
      model.inputs
        .filter(name => name.startsWith('past'))
        .map((name): [string, HostTensor] => [
          name,
          { dtype: 'float32', shape: [1, 2, 0, 8], data: new Float32Array() },
        ]),
    )
    const positions: HostTensor = { ...given.ids, data: BigInt64Array.from({ length }, (_, i) => BigInt(i)) }
    const session = await openSession(modelOf(model), { folder: onnx, threads: 1 })
    const feeds = { input_ids: given.ids, attention_mask: given.mask, position_ids: positions, ...past }
    const { logits } = await session.run(feeds)
    await session.close()
    const difference = apart(logits, whole, given.mask)
    assert.ok(difference > 1e-6 && difference < 0.1, `logits differ by ${difference}`)
  }
})

test.run()
