import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lay, tally } from '../../src/train/micro.ts'
import type { Trainer } from '../../src/train/trainer.ts'
import { ADAMW, counting, openTiny, type Tiny, tiny, weighed } from './tiny.ts'

const test = suite('train: the step graph')

const bits = (trainer: Trainer) => [...trainer.state.weights].map(([name, { data }]) => [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')]) // biome-ignore format: one thought
const texts = weighed([counting(1, 9, 3), counting(4, 7, 2), counting(8, 12, 5), counting(2, 5, 1)])
const mixed = weighed([counting(1, 9, 3, true), counting(4, 7, 2, true), counting(8, 12, 5), counting(2, 5, 1)])

test('the loss falls, and the model that starts from random weights learns to count', async () => {
  const trainer = await openTiny(tiny('text'))
  const losses: number[] = []
  for (let i = 0; i < 60; i++) losses.push((await trainer.step([texts], 0.02))!.loss)
  assert.ok(losses[0] > 2.5 && losses.at(-1)! < 0.2, `from ${losses[0]} to ${losses.at(-1)}`)
  await trainer.close()
})

for (const kind of ['text', 'sees'] as const) {
  const batch = kind === 'text' ? texts : mixed
  test(`${kind}: gradients added up over micro-batches are those of one batch`, async () => {
    const whole = await openTiny(tiny(kind))
    const parts = await openTiny(tiny(kind))
    const a = (await whole.step([batch], 0.01))!
    const b = (await parts.step([batch.slice(0, 1), batch.slice(1, 2), batch.slice(2)], 0.01))!
    assert.ok(Math.abs(a.loss - b.loss) < 1e-5, `${a.loss} ${b.loss}`)
    assert.ok(Math.abs(a.gradNorm - b.gradNorm) < 1e-4 * a.gradNorm, `${a.gradNorm} ${b.gradNorm}`)
    assert.equal([a.targets, a.tokens], [b.targets, b.tokens])
    await whole.close()
    await parts.close()
  })

  test(`${kind}: the gradient norm is what finite differences say`, async () => {
    // Along the gradient g the loss rises by ε|g| for a step of length ε.
    const model = tiny(kind)
    const { gradNorm, change } = await gradientOf(model, batch)
    const epsilon = 1e-2
    const loss = async (sign: number) => {
      const values = new Map(
        [...model.values].map(([name, tensor]) => {
          const step = change.get(name)!
          const data = (tensor.data as Float32Array).map((w, i) => w + (sign * epsilon * step[i]) / gradNorm)
          return [name, { ...tensor, data }] as const
        }),
      )
      const trainer = await openTiny({ ...model, values })
      const result = (await trainer.step([batch], 0))!
      await trainer.close()
      return result.loss
    }
    const slope = ((await loss(1)) - (await loss(-1))) / (2 * epsilon)
    assert.ok(Math.abs(slope - gradNorm) < 2e-2 * gradNorm, `slope ${slope}, norm ${gradNorm}`)
  })
}

/** The gradient, read off the first moment after one step without clipping: m = (1 − β₁) g. */
async function gradientOf(model: Tiny, batch: typeof texts) {
  const trainer = await openTiny(model, { ...ADAMW, clip: 0 })
  const { gradNorm } = (await trainer.step([batch], 0))!
  const change = new Map([...trainer.state.first].map(([name, { data }]) => [name, (data as Float32Array).map(m => m / 0.1)])) // biome-ignore format: one thought
  await trainer.close()
  return { gradNorm, change }
}

test('a step that goes through in slices gives the same weights, bit for bit', async () => {
  const micro = mixed.map(sequence => [sequence])
  const whole = await openTiny(tiny('sees'), { ...ADAMW, loop: true })
  const sliced = await openTiny(tiny('sees'), { ...ADAMW, loop: true })
  const single = await openTiny(tiny('sees'))
  for (const speed of [1e9, 0]) {
    Object.assign(whole.engine, { speed: 1e9 })
    Object.assign(sliced.engine, { speed })
    await whole.step(micro, 0.01)
    await sliced.step(micro, 0.01)
    await single.step(micro, 0.01)
  }
  assert.equal(bits(whole), bits(sliced))
  assert.equal(bits(whole), bits(single))
  await single.close()
  await whole.close()
  await sliced.close()
})

test('a step that is stopped between its slices changes nothing', async () => {
  const trainer = await openTiny(tiny('text'))
  const before = bits(trainer)
  assert.is(await trainer.step([texts.slice(0, 2), texts.slice(2)], 0.01, () => true), undefined)
  assert.equal(bits(trainer), before)
  assert.is(trainer.state.step, 0)
  await trainer.close()
})

test('a long gradient is clipped: only its direction counts', async () => {
  const [soft, hard] = [await openTiny(tiny('text')), await openTiny(tiny('text'))]
  const louder = texts.map(sequence => ({ ...sequence, weight: sequence.weight * 1000 }))
  await soft.step([texts.map(sequence => ({ ...sequence, weight: sequence.weight * 10 }))], 0.01)
  const { gradNorm } = (await hard.step([louder], 0.01))!
  assert.ok(gradNorm > 100)
  for (const [name, { data }] of soft.state.first) {
    const other = hard.state.first.get(name)!.data
    for (let i = 0; i < data.length; i++) assert.ok(Math.abs(Number(data[i]) - Number(other[i])) < 1e-5, name)
  }
  await soft.close()
  await hard.close()
})

test('a gradient that is no number leaves weights and moments as they were', async () => {
  const model = tiny('text')
  const [first] = model.values.values()
  ;(first.data as Float32Array)[0] = Number.NaN
  const trainer = await openTiny(model)
  const before = bits(trainer)
  const { loss, gradNorm } = (await trainer.step([texts], 0.01))!
  assert.not.ok(Number.isFinite(loss) && Number.isFinite(gradNorm))
  assert.equal(bits(trainer), before)
  await trainer.close()
})

test('drift is the distance from the start, relative to it', async () => {
  const model = tiny('text')
  const trainer = await openTiny(model)
  await trainer.step([texts], 0.01)
  const { drift } = (await trainer.step([texts], 0.01))!
  let [moved, from] = [0, 0]
  for (const [name, { data }] of trainer.state.weights) {
    const start = model.values.get(name)!.data
    for (let i = 0; i < data.length; i++) {
      moved += (Number(data[i]) - Number(start[i])) ** 2
      from += Number(start[i]) ** 2
    }
  }
  assert.ok(Math.abs(drift! - Math.sqrt(moved / from)) < 1e-5 * drift! + 1e-7, `${drift}`)
  await trainer.close()
})

test('only the response is learnt', () => {
  const micro = [[counting(5, 6, 4)]]
  assert.equal(tally(micro), { targets: 2, tokens: 6, padded: 6 })
  const feeds = lay(micro, {})
  assert.equal(Array.from(feeds['micro.positions'].data, Number), [3, 4]) // the tokens before them predict them
  assert.equal(Array.from(feeds['micro.labels'].data, Number), [9, 10])
})

test.run()
