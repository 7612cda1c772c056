import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openRunner, type Runner } from '../../src/generate/runner.ts'
import { type Done, schedule, type Work } from '../../src/generate/scheduler.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { stream } from '../../src/random.ts'
import { tinyConfig, tinyModel, tinyParts } from './tiny.ts'

const test = suite('generate: bursts')

const prompt = (seed: number, length: number) => {
  const next = stream(seed, 'prompt')
  return Array.from({ length }, () => Math.floor(next() * tinyConfig.vocab_size))
}
const work = (ids: number[], budget: number, key = 0): Work => ({
  prompt: { ids },
  same: ids.join(),
  budget,
  draw: stream(7, key),
})
const all = async (
  runner: Runner,
  jobs: Work[],
  shape = { batch: 4, steps: 5, slack: 8, low: 2 },
  eos: number[] = [],
) => {
  const made: Done[] = []
  for await (const done of schedule(jobs, runner, eos, shape)) made.push(done)
  return made
}
const greedy = { temperature: 0, topP: 1 }
const sampled = { temperature: 0.8, topP: 0.9 }

/** Greedy decoding on the host, the whole sequence again for every token. */
async function stepByStep(ids: number[], budget: number) {
  const session = await openSession(modelOf(tinyModel()), {})
  const { num_hidden_layers: layers, num_key_value_heads: heads, vocab_size: vocabulary } = tinyConfig
  const past = Object.fromEntries(
    Array.from({ length: layers * 2 }, (_, i) => [
      `past_key_values.${i >> 1}.${i % 2 ? 'value' : 'key'}`,
      { dtype: 'float32' as const, shape: [1, heads, 0, 8], data: new Float32Array(0) },
    ]),
  )
  const made: number[] = []
  let logprob = 0
  for (let sequence = [...ids]; made.length < budget; sequence = [...ids, ...made]) {
    const int64 = (values: number[]) => ({
      dtype: 'int64' as const,
      shape: [1, sequence.length],
      data: BigInt64Array.from(values, BigInt),
    })
    const { logits } = await session.run(
      {
        input_ids: int64(sequence),
        attention_mask: int64(sequence.map(() => 1)),
        position_ids: int64(sequence.map((_, i) => i)),
        ...past,
      },
      ['logits'],
    )
    const last = [...(logits.data as Float32Array).subarray(-vocabulary)]
    const best = Math.max(...last)
    made.push(last.indexOf(best))
    logprob -= Math.log(last.reduce((sum, x) => sum + Math.exp(x - best), 0))
  }
  await session.close()
  return { tokens: made, logprob }
}

for (const [name, parts] of [
  ['ids', { decoder: tinyModel() }],
  ['embeddings', tinyParts()],
] as const) {
  test(`a greedy burst equals the host loop (${name})`, async () => {
    const runner = openRunner(parts, [], greedy, {})
    const lengths = [1, 2, 9, 5, 17, 3]
    const made = await all(
      runner,
      lengths.map((length, i) => work(prompt(i, length), 12 + i)),
    )
    for (const [i, length] of lengths.entries()) {
      const expected = await stepByStep(prompt(i, length), 12 + i)
      assert.equal(made[i].tokens, expected.tokens)
      assert.ok(Math.abs(made[i].logprob - expected.logprob) < 1e-3, `${made[i].logprob} ${expected.logprob}`)
    }
    await runner.close()
  })
}

test('stop tokens end a row, and are its last token', async () => {
  const free = openRunner({ decoder: tinyModel() }, [], greedy, {})
  const jobs = () => [3, 8, 5].map((length, i) => work(prompt(i, length), 20))
  const whole = await all(free, jobs())
  const eos = [whole[0].tokens[3], whole[1].tokens[7]]
  const runner = openRunner({ decoder: tinyModel() }, eos, greedy, {})
  const made = await all(runner, jobs(), { batch: 2, steps: 6, slack: 3, low: 2 }, eos)
  made.forEach(({ tokens }, i) => {
    const end = whole[i].tokens.findIndex(token => eos.includes(token))
    assert.equal(tokens, whole[i].tokens.slice(0, end < 0 ? undefined : end + 1))
  })
  await free.close()
  await runner.close()
})

test('draws belong to rows: the same keys give the same tokens in any batch', async () => {
  const runner = openRunner({ decoder: tinyModel() }, [3, 4, 5], sampled, {})
  const jobs = (keys: number[]) => keys.map(key => work(prompt(key % 3, 4 + (key % 3)), 25, key))
  const together = await all(
    runner,
    jobs([0, 1, 2, 3, 4, 5, 6, 7]),
    { batch: 3, steps: 4, slack: 99, low: 3 },
    [3, 4, 5],
  )
  const again = await all(runner, jobs([0, 1, 2, 3, 4, 5, 6, 7]), { batch: 3, steps: 4, slack: 99, low: 3 }, [3, 4, 5])
  assert.equal(together, again)
  for (const key of [0, 4, 7]) {
    const [alone] = await all(runner, jobs([key]), { batch: 1, steps: 32, slack: 0, low: 1 }, [3, 4, 5])
    assert.equal(alone.tokens, together[key].tokens)
  }
  assert.not.equal(together[0].tokens, together[3].tokens)
  await runner.close()
})

test.run()
