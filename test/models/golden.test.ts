/** Our graphs over Hugging Face's checkpoints compute what Hugging Face computes. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HostTensor } from '../../src/graph/session.ts'
import { textConfig } from '../../src/models/config.ts'
import { openFolder } from '../../src/models/folder.ts'
import { apart, golden, Runner } from './tiny.ts'

const MODELS = {
  qwen2: ['one', 'padded'],
  qwen3: ['one', 'padded'],
  llama: ['one', 'padded'],
  smollm3: ['one', 'padded'],
  internlm2: ['one', 'padded', 'long'],
  llava: ['one', 'padded', 'two', 'mixed'],
}

for (const [name, keys] of Object.entries(MODELS)) {
  const test = suite(`models: ${name} against Hugging Face`)

  test('the whole sequence at once', async () => {
    const { path, inputs, tensor } = await golden(name)
    const runner = new Runner(await openFolder(path))
    for (const key of keys) {
      const given = await inputs(key)
      const { logits } = await runner.run(given)
      const difference = apart(logits, await tensor(`${key}.logits`), given.mask)
      assert.ok(difference < 1e-4, `${key}: logits differ by ${difference}`)
    }
  })

  test('the same with a cache, in unequal steps', async () => {
    const { path, inputs, tensor } = await golden(name)
    const runner = new Runner(await openFolder(path))
    for (const key of keys.filter(key => key !== 'long')) {
      // (There the keys in the cache were rotated while the sequence was shorter, by another base.)
      const { ids, mask, pixels } = await inputs(key)
      const whole = await tensor(`${key}.logits`)
      const end = ids.shape[1]
      let past: Record<string, HostTensor> | undefined
      for (const [from, to] of [
        [0, end - 6],
        [end - 6, end - 2],
        [end - 2, end - 1],
        [end - 1, end],
      ]) {
        // biome-ignore format: one thought
        past = await runner.run({ ids: columns(ids, from, to), mask: columns(mask, 0, to), ...(from === 0 && { pixels }) }, past)
        const difference = apart(past.logits, columns(whole, from, to), columns(mask, from, to))
        assert.ok(difference < 1e-4, `${key}, ${from} to ${to}: logits differ by ${difference}`)
      }
    }
  })

  test('greedy continuation', async () => {
    const { path, inputs, cases } = await golden(name)
    const folder = await openFolder(path)
    const runner = new Runner(folder)
    const pad = Number(textConfig(folder.config).pad_token_id)
    for (const key of keys) {
      const { ids, mask, pixels } = await inputs(key)
      const [batch] = ids.shape
      const rows = Array.from({ length: batch }, (): number[] => [])
      let [next, seen] = [ids, mask]
      let past: Record<string, HostTensor> | undefined
      for (let step = 0; step < cases[key].greedy[0].length; step++) {
        past = await runner.run({ ids: next, mask: seen, ...(step === 0 && { pixels }) }, past)
        const ended = rows.map(row => row.some(id => folder.eos.includes(id)))
        const picked = best(past.logits).map((id, b) => (ended[b] ? pad : id))
        for (const [b, id] of picked.entries()) rows[b].push(id)
        next = { dtype: 'int64', shape: [batch, 1], data: BigInt64Array.from(picked, BigInt) }
        seen = grown(seen)
      }
      assert.equal(rows, cases[key].greedy, key)
    }
  })

  test.run()
}

/** x[:, from:to] */
function columns({ dtype, shape, data }: HostTensor, from: number, to: number): HostTensor {
  const [batch, length, ...rest] = shape
  const width = rest.reduce((a, b) => a * b, 1)
  const parts = Array.from({ length: batch }, (_, b) =>
    (data as Float32Array).subarray((b * length + from) * width, (b * length + to) * width),
  )
  const joined = new (data.constructor as Float32ArrayConstructor)(batch * (to - from) * width)
  for (const [b, part] of parts.entries()) joined.set(part, b * (to - from) * width)
  return { dtype, shape: [batch, to - from, ...rest], data: joined }
}

/** A mask with one more real token a row. */
function grown({ shape: [batch, length], data }: HostTensor): HostTensor {
  const longer = new BigInt64Array(batch * (length + 1)).fill(1n)
  for (let b = 0; b < batch; b++)
    longer.set((data as BigInt64Array).subarray(b * length, (b + 1) * length), b * (length + 1))
  return { dtype: 'int64', shape: [batch, length + 1], data: longer }
}

/** The likeliest token after the last one of each row. */
function best({ shape: [batch, length, width], data }: HostTensor): number[] {
  return Array.from({ length: batch }, (_, b) => {
    const row = (data as Float32Array).subarray(((b + 1) * length - 1) * width, (b + 1) * length * width)
    return row.indexOf(row.reduce((a, x) => Math.max(a, x)))
  })
}
