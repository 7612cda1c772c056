/** Safetensors files are read and written as Hugging Face's library does it. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Tensor } from '../../src/graph/ir.ts'
import { loadTensor, readSafetensors, tensorBytes, writeSafetensors } from '../../src/models/safetensors.ts'
import { goldenPath, scratch } from './tiny.ts'

const test = suite('models: safetensors')
const dir = scratch()

for (const file of ['qwen2/model.safetensors', 'llava/golden.safetensors', 'llava/adapter/adapter_model.safetensors']) {
  test(`${file}, written again by us, has the same tensors at the same places`, async () => {
    const { folder, tensors } = await readSafetensors(goldenPath(file))
    const again = join(dir, 'again.safetensors')
    const written = await writeSafetensors(again, new Map([...tensors].reverse()), folder)
    const read = await readSafetensors(again)
    assert.equal(read.tensors, written)
    for (const [name, tensor] of tensors) {
      assert.equal(await tensorBytes(written.get(name)!, dir), await tensorBytes(tensor, folder), name)
    }
    const [ours, theirs] = [await readFile(again), await readFile(goldenPath(file))]
    const start = (bytes: Buffer) => 8 + Number(bytes.readBigUInt64LE())
    assert.is(start(ours) % 8, 0)
    assert.equal(ours.subarray(start(ours)), theirs.subarray(start(theirs)))
  })
}

test('dtypes, scalars, empty tensors', async () => {
  const data = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer)
  const tensors = new Map<string, Tensor>([
    ['byte', { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
    [
      'half',
      { dtype: 'float16', shape: [6], data: data(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x3555)) },
    ],
    ['brain', { dtype: 'bfloat16', shape: [2, 2], data: data(Uint16Array.of(0x3f80, 0xc040, 0x0000, 0x4049)) }],
    ['long', { dtype: 'int64', shape: [], data: data(BigInt64Array.of(-5n)) }],
    ['none', { dtype: 'float32', shape: [0, 4], data: new Uint8Array() }],
  ])
  const path = join(dir, 'dtypes.safetensors')
  const written = await writeSafetensors(path, tensors, dir)
  assert.equal([...written.keys()], ['long', 'none', 'brain', 'half', 'byte'])
  const load = async (name: string, wide = false) => (await loadTensor(written.get(name)!, dir, wide)).data
  assert.equal(await load('long'), BigInt64Array.of(-5n))
  assert.equal(await load('byte'), Uint8Array.of(1, 2, 3))
  assert.equal(await load('none'), new Float32Array())
  assert.equal(
    await load('half', true),
    Float32Array.of(1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY, 0.333251953125),
  )
  assert.equal(await load('brain', true), Float32Array.of(1, -3, 0, 3.140625))
})

test('pieces larger than the buffer', async () => {
  const big = Float32Array.from({ length: 700_001 }, (_, i) => i)
  const tensor: Tensor = { dtype: 'float32', shape: [big.length], data: new Uint8Array(big.buffer) }
  const first = await writeSafetensors(join(dir, 'big.safetensors'), new Map([['x', tensor]]), dir)
  const second = await writeSafetensors(join(dir, 'big2.safetensors'), first, dir)
  assert.equal((await loadTensor(second.get('x')!, dir)).data, big)
})

test.run()
