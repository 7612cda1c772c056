/** Steps on the device, several a run: the same as one by one with the host, in everything that is told or kept. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../src/errors.ts'
import type { Session } from '../../src/graph/session.ts'
import { Carried } from '../../src/train/carried.ts'
import type { Batch } from '../../src/train/engine.ts'
import { freshScaler } from '../../src/train/scaler.ts'
import { inSingle } from '../../src/train/single.ts'
import { freshState, type State } from '../../src/train/state.ts'
import type { StepResult, Trainer } from '../../src/train/trainer.ts'
import { ADAMW, adapted, copied, counting, openTiny, type Tiny, tiny, weighed } from './tiny.ts'

const test = suite('train: state carried on the device')

const SIZES = [[2, 1, 2], [1, 1, 1, 2], [5]]
/** Five steps of unlike micro-batches, rates and loudness: the gradient is clipped in some and not in others. */
function batches(sees: boolean): Batch[] {
  return [1, 0.01, 30, 1, 0.1].map((loud, i) => {
    const drawn = weighed([counting(i, 9, 3, sees), counting(4 + i, 7, 2, sees), counting(8, 12, 5), counting(2, 5, 1), counting(9 + i, 6, 2)]) // biome-ignore format: one thought
    const louder = drawn.map(sequence => ({ ...sequence, weight: loud * sequence.weight }))
    return { micro: SIZES[i % 3].map(size => louder.splice(0, size)), lr: 0.01 / (i + 1) }
  })
}

/** Takes the model through the batches, `sizes` of them a run. */
async function run(model: Tiny, all: Batch[], carried: boolean, sizes: number[], more = {}, state?: State) {
  const trainer = await openTiny(model, { ...ADAMW, ...more, carried }, state)
  const results: StepResult[] = []
  for (let at = 0, i = 0; at < all.length; i++) {
    const made = await trainer.steps(all.slice(at, at + sizes[i % sizes.length]))
    results.push(...made)
    at += made.length
    if (!made.at(-1)!.skipped && !Number.isFinite(made.at(-1)!.loss)) break
  }
  await trainer.close()
  return { trainer, results }
}

const tensors = ({ state }: Trainer) =>
  [state.weights, state.first, state.second].flatMap((held, kind) =>
    [...held].map(([name, { data }]) => [`${kind} ${name}`, data as Float32Array] as const),
  )
const bits = (trainer: Trainer) => tensors(trainer).map(([name, data]) => [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')]) // biome-ignore format: one thought

function alike(a: StepResult[], b: StepResult[]) {
  assert.is(a.length, b.length)
  a.forEach((one, i) => {
    for (const key of ['loss', 'logprob', 'gradNorm'] as const)
      assert.ok(Math.abs(one[key] - b[i][key]) <= 1e-6 * Math.abs(one[key]) || one[key] === b[i][key], `step ${i + 1}: ${key} ${one[key]} ${b[i][key]}`) // biome-ignore format: one thought
    for (const key of ['targets', 'tokens', 'padded', 'skipped'] as const) assert.is(one[key], b[i][key])
  })
}

for (const kind of ['text', 'sees', 'LoRA'] as const)
  for (const [how, more] of Object.entries({
    'clipped, decaying': {},
    neither: { clip: 0, weightDecay: 0 },
    'in blocks, recomputed': { fit: { rows: 7, queries: () => 5, recompute: true } },
  }))
    test(`${kind}, ${how}: five steps in a run are five steps with the host`, async () => {
      const model = kind === 'LoRA' ? adapted(tiny('text')) : tiny(kind)
      const all = batches(kind === 'sees')
      const host = await run(model, all, false, [1], { ...more, loop: true })
      const device = await run(model, all, true, [5], more)
      assert.equal(bits(device.trainer), bits(host.trainer))
      alike(host.results, device.results)
      const norms = host.results.map(({ gradNorm }) => gradNorm)
      assert.ok(Math.min(...norms) < 0.5 && Math.max(...norms) > 2, `${norms}`) // some are clipped and some are not
      assert.is(device.trainer.state.step, 5)
      assert.ok(Math.abs(device.results[4].drift! - host.results[4].drift!) < 1e-6 * host.results[4].drift!)
      assert.equal(device.results.slice(0, 4).map(({ drift }) => drift), Array(4).fill(undefined)) // biome-ignore format: one thought
    })

test('how steps are shared out among runs changes nothing, bit for bit', async () => {
  const all = batches(true)
  const [first, ...others] = await Promise.all(
    [[5], [1], [2, 1], [3]].map(sizes => run(tiny('sees'), all, true, sizes)),
  )
  for (const other of others) {
    assert.equal(bits(other.trainer), bits(first.trainer))
    alike(other.results, first.results)
  }
})

test('a gradient that overflows ends the run, is skipped and halves the scale; the steps behind it come again', async () => {
  // In float16 the third step is too loud for this scale.
  const made = tiny('text', 1, { compute: 'float16', stored: 'float16' })
  const names = new Set(made.trained.map(({ name }) => name))
  const model = { ...made, parts: Object.fromEntries(Object.entries(made.parts).map(([name, part]) => [name, inSingle(part, names)])) } // biome-ignore format: one thought
  const all = batches(false)
  const scaled = (): State => ({ ...freshState(model.trained, copied(model)), scaler: { ...freshScaler(2 ** 15), good: 5 } }) // biome-ignore format: one thought
  const [hosts, devices] = [scaled(), scaled()]
  const repeated = [...all.slice(0, 2), all[2], all[2], ...all.slice(2)]
  const host = await run(model, repeated, false, [1], {}, hosts)
  const device = await run(model, repeated, true, [7], {}, devices)
  assert.equal(host.results.map(({ skipped }) => skipped), [false, false, true, true, false, false, false]) // biome-ignore format: one thought
  alike(host.results, device.results)
  assert.equal(devices.scaler, hosts.scaler)
  assert.is(devices.step, hosts.step)
  assert.equal(bits(device.trainer), bits(host.trainer))
})

test('a loss that is no number ends the run, and leaves the state of the step before it', async () => {
  const all = batches(false)
  const broken = all.map((batch, i) => (i === 2 ? { ...batch, micro: batch.micro.map(each => each.map(sequence => ({ ...sequence, weight: Number.NaN }))) } : batch)) // biome-ignore format: one thought
  const whole = await run(tiny('text'), broken, true, [5])
  const short = await run(tiny('text'), all.slice(0, 2), true, [2])
  assert.is(whole.results.length, 3)
  assert.not.ok(Number.isFinite(whole.results[2].loss))
  assert.is(whole.trainer.state.step, 2)
  assert.equal(bits(whole.trainer), bits(short.trainer))
})

test('a device with too little memory is no bug of ours', async () => {
  const { trained, values } = tiny('text')
  const failing = (message: string) => ({ run: () => Promise.reject(new Error(message)) }) as unknown as Session
  const engine = (message: string) => new Carried(freshState(trained, values), trained, ADAMW, failing(message))
  const none = new Error('nothing was thrown')
  const fault = (message: string) => engine(message).run(batches(false)).then(() => none, (error: Error) => error) // biome-ignore format: one thought
  const arena =
    'Non-zero status code returned while running Loop node. Failed to allocate memory for requested buffer of size 8'
  assert.match((await fault(arena)).message, /--offload-optimizer/)
  assert.ok((await fault(arena)) instanceof UserError)
  assert.is((await fault('no such input')).message, 'no such input')
})

test('a run takes steps while time, pictures and an unchanging scale allow', async () => {
  const [first, ...more] = batches(true)
  const state = { ...freshState(tiny('sees').trained, copied(tiny('sees'))), scaler: { ...freshScaler(), good: 1998 } }
  const trainer = await openTiny(tiny('sees'), { ...ADAMW, carried: true }, state)
  const wants = (count: number, speed: number) => {
    Object.assign(trainer.engine, { speed })
    return trainer.wants([first, ...more].slice(0, count))
  }
  assert.equal([wants(1, 0), wants(1, 1e9), wants(2, 1e9)], [false, true, false]) // the scale doubles after two more steps
  state.scaler.good = 0
  const positions = first.micro.flatMap(each => each.length * Math.max(...each.map(({ ids }) => ids.length))).reduce((a, b) => a + b) // biome-ignore format: one thought
  assert.equal([wants(2, 1e9), wants(1, positions / 4.9), wants(1, positions / 5.1)], [true, true, false]) // ten seconds
  const large = { shape: [1, 3, 8, 8], dtype: 'float32' as const, data: { byteLength: 0.6 * 2 ** 30 } as Float32Array }
  const pictured = first.micro.map((each, i) => (i ? each : [{ ...each[0], vision: { pixel_values: large } }]))
  Object.assign(trainer.engine, { speed: 1e9 })
  assert.is(trainer.wants([{ ...first, micro: pictured }]), false)
  await trainer.close()
})

test.run()
