/** What --dry-run says: parts that add up, layers that recomputation empties, a length that just fits. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describe, forecast, longestThatFits } from '../../src/train/forecast.ts'
import type { Policy } from '../../src/train/policy.ts'
import { tiny } from './tiny.ts'

const test = suite('train: forecast')
const policy: Policy = { ...tiny('text'), adapters: [], reading: {}, onnx: '', compute: 'float32', rebuilt: false }
const at = (recompute: boolean, length: number) =>
  forecast(policy, { recompute }, length, { rows: 1, length, targets: length - 1, images: 1 })
const sum = (kept: Map<string, number>) => [...kept.values()].reduce((a, b) => a + b, 0)

test('its parts add up, and every layer has its own', () => {
  const made = at(false, 400)
  assert.equal([...made.kept.keys()].sort(), ['', '0', '1'])
  const [first, second] = ['0', '1'].map(layer => made.kept.get(layer)!)
  assert.ok(Math.abs(first - second) < 0.01 * first, `${first} ${second}`)
  const elements = policy.trained.reduce((total, { start }) => total + start.shape.reduce((a, b) => a * b, 1), 0)
  assert.equal([made.trained, made.gradients, made.moments], [4 * elements, 4 * elements, 8 * elements])
  assert.ok(made.frozen < 4096, 'constants only')
  const program = 0.3 * 2 ** 30
  const parts = made.frozen + made.trained + made.gradients + made.moments + sum(made.kept) + made.temporary + program
  assert.ok(Math.abs(parts - made.total) < 1)
  assert.is(made.logits, 4 * 399 * 23)
  const offloaded = forecast(policy, { recompute: false, offload: true }, 400, { rows: 1, length: 400, targets: 399, images: 1 }) // biome-ignore format: one thought
  assert.ok(Math.abs(made.total - offloaded.total - 8 * elements) < 1)
  // A GPU holds weights and moments as they came and as they are, sums thrice, and hands back what no step had room for.
  const sizes = { rows: 1, length: 400, targets: 399, images: 1 }
  const [gpu, host] = [false, true].map(offload =>
    forecast(policy, { recompute: false, gpu: true, offload }, 400, sizes),
  )
  assert.equal([gpu.trained, gpu.gradients, gpu.moments], [8 * elements, 12 * elements, 16 * elements])
  assert.equal([host.trained, host.gradients, host.moments], [4 * elements, 12 * elements, 0])
  assert.is(gpu.temporary, made.temporary)
  assert.ok(Math.abs(gpu.total - made.total - 20 * elements) < 1)
  const short = forecast(policy, { recompute: false, gpu: true }, 2, { rows: 1, length: 2, targets: 1, images: 1 })
  assert.is(short.at, 'Loop')
  assert.ok(Math.abs(short.temporary + sum(short.kept) - 12 * elements) < 1)
  assert.ok(describe(made).some(line => /^ {2}layer 1 .* GiB$/.test(line)))
})

test('a layer keeps what the arithmetic of its shapes says', () => {
  const [T, D, KV, F] = [1000, 16, 8, 24] // tokens, width, width of keys and of values, feed-forward
  // Its input, the sum in the middle, queries, what attention gives; keys, values; gate and up. No norm, no gated activation.
  assert.is(at(false, T).kept.get('0'), 4 * T * (4 * D + 2 * KV + 2 * F))
  assert.is(at(true, T).kept.get('0'), 4 * T * D)
})

test('recomputing layers leaves little of them, and attention in blocks grows with the length, not its square', () => {
  assert.ok(sum(at(true, 400).kept) < 0.5 * sum(at(false, 400).kept))
  for (const recompute of [false, true]) {
    const [short, long] = [at(recompute, 4096), at(recompute, 16_384)].map(made => sum(made.kept) + made.temporary)
    assert.ok(long / short < 4.4, `${long / short}`)
  }
})

test('the longest sequence fits, and one that is longer by an eighth does not', () => {
  const limit = 0.5 * 2 ** 30
  const longest = longestThatFits(policy, { recompute: true }, limit)
  assert.ok(at(true, longest).total <= limit, `${longest}`)
  assert.ok(at(true, longest * 1.125).total > limit, `${longest}`)
  assert.is(longestThatFits(policy, { recompute: true }, 1 << 20), 0)
})

test.run()
