import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../src/errors.ts'
import { stream } from '../../src/random.ts'
import { microBatches, stepsPerEpoch } from '../../src/train/batches.ts'
import { learningRate } from '../../src/train/schedule.ts'
import { Watch } from '../../src/train/watch.ts'

const test = suite('train: schedule, batches, watch')

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a} ${b}`)

test('the rate rises, falls by a cosine and ends at its floor', () => {
  const schedule = { lr: 2e-5, steps: 100, warmup: 10, floor: 0.25 }
  near(learningRate(1, schedule), 2e-6)
  near(learningRate(10, schedule), 2e-5)
  near(learningRate(55, schedule), 2e-5 * 0.625)
  near(learningRate(100, schedule), 0.5e-5)
  near(learningRate(10, { ...schedule, warmup: 0.1 }), 2e-5)
  near(learningRate(1, { ...schedule, warmup: 0, steps: 1 }), 0.5e-5)
  near(learningRate(1, { ...schedule, warmup: 1, steps: 1 }), 2e-5)
})

const draw = stream(7, 'lengths')
const count = 1000
const sizes = {
  lengths: Array.from({ length: count }, () => 20 + Math.floor(draw() * 200)),
  images: Array.from({ length: count }, () => (draw() < 0.6 ? 1 : 0)),
}
const options = { batchSize: 64, microTokens: 1024, seed: 3 }

test('an epoch has every sequence once; the next one in another order', () => {
  const perEpoch = stepsPerEpoch(count, options.batchSize)
  const epoch = (e: number) =>
    Array.from({ length: perEpoch }, (_, i) => microBatches(e * perEpoch + i + 1, sizes, options).flat())
  const [first, second] = [epoch(0), epoch(1)]
  for (const all of [first, second]) assert.equal(all.flat().sort((a, b) => a - b), sizes.lengths.map((_, i) => i)) // biome-ignore format: one thought
  assert.not.equal(first[0], second[0])
  assert.equal(microBatches(5, sizes, options), microBatches(5, sizes, options))
  assert.not.equal(microBatches(5, sizes, options), microBatches(5, sizes, { ...options, seed: 4 }))
})

test('micro-batches keep to their budget, padding is rare, and text does not mix with pictures', () => {
  let [padded, tokens] = [0, 0]
  for (let step = 1; step <= 15; step++) {
    for (const micro of microBatches(step, sizes, options)) {
      const longest = Math.max(...micro.map(i => sizes.lengths[i]))
      assert.ok(longest * micro.length <= options.microTokens)
      assert.is(new Set(micro.map(i => sizes.images[i])).size, 1)
      padded += longest * micro.length
      tokens += micro.reduce((sum, i) => sum + sizes.lengths[i], 0)
    }
  }
  assert.ok(1 - tokens / padded < 0.15, `padding ${1 - tokens / padded}`)
  assert.equal(microBatches(1, { lengths: [5000], images: [0] }, options), [[0]]) // longer than the budget: by itself
})

test('a loss that is no number stops the run', () => {
  for (const [loss, norm] of [
    [Number.NaN, 1],
    [1, Number.POSITIVE_INFINITY],
  ]) {
    assert.throws(() => new Watch().see(7, loss, norm, 'Try a lower --lr.'), (error: Error) =>
      error instanceof UserError && /step 7: the .* is (NaN|Infinity).*Try a lower --lr/.test(error.message)) // biome-ignore format: one thought
  }
})

test('a loss that stays far above its mean stops the run; a spike does not', () => {
  const watch = new Watch()
  for (let step = 1; step <= 50; step++) watch.see(step, step % 10 === 0 ? 9 : 2, 1, '')
  assert.throws(() => {
    for (let step = 51; step < 80; step++) watch.see(step, 5, 1, '')
  }, /diverges/)
})

test.run()
