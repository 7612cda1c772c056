import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Choice, choose } from '../../src/generate/sampler.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { stream } from '../../src/random.ts'

const test = suite('generate: sampler')

async function sampler(vocabulary: number, choice: Choice) {
  const g = new Graph('sampler')
  const logits = g.input('logits', 'float32', ['batch', vocabulary])
  const uniform = choice.temperature === 0 ? undefined : g.input('uniform', 'float32', ['batch'])
  const { token, logprob } = choose(g, logits, uniform, choice)
  g.output(token, 'token')
  g.output(logprob, 'logprob')
  const session = await openSession(modelOf(g), { threads: 1 })
  return {
    async run(rows: number[][], uniforms: number[]) {
      const made = await session.run({
        logits: { dtype: 'float32', shape: [rows.length, vocabulary], data: Float32Array.from(rows.flat()) },
        ...(uniform && { uniform: { dtype: 'float32', shape: [rows.length], data: Float32Array.from(uniforms) } }),
      })
      return { tokens: Array.from(made.token.data, Number), logprobs: Array.from(made.logprob.data, Number) }
    },
    close: () => session.close(),
  }
}

const softmax = (logits: number[]) => {
  const best = Math.max(...logits)
  const weights = logits.map(x => Math.exp(x - best))
  const total = weights.reduce((a, b) => a + b, 0)
  return weights.map(w => w / total)
}

/** The distribution over tokens, in the order in which the cumulative sum is taken. */
function reference(logits: number[], { temperature, topP }: Choice): { token: number; mass: number }[] {
  const all = softmax(logits.map(x => x / temperature)).map((mass, token) => ({ token, mass }))
  if (topP === 1) return all
  const sorted = all.sort((a, b) => b.mass - a.mass)
  let before = 0
  const kept = sorted.filter(({ mass }) => {
    const keep = before < topP
    before += mass
    return keep
  })
  const total = kept.reduce((sum, { mass }) => sum + mass, 0)
  return kept.map(({ token, mass }) => ({ token, mass: mass / total }))
}

/** The token at `u`, and how far `u` is from where the choice changes. */
function pick(distribution: { token: number; mass: number }[], u: number) {
  let sum = 0
  for (const { token, mass } of distribution) {
    if (u < sum + mass) return { token, margin: Math.min(u - sum, sum + mass - u) }
    sum += mass
  }
  throw new Error('u is 1')
}

for (const vocabulary of [7, 200, 5000]) {
  for (const choice of [
    { temperature: 1, topP: 1 },
    { temperature: 0.6, topP: 1 },
    { temperature: 1, topP: 0.9 },
    { temperature: 1.3, topP: 0.5 },
    { temperature: 0.7, topP: 0.999 },
  ]) {
    test(`temperature ${choice.temperature}, top-p ${choice.topP}, ${vocabulary} tokens: the reference's tokens`, async () => {
      const next = stream(5, vocabulary)
      const rows = Array.from({ length: 40 }, (_, row) =>
        Array.from({ length: vocabulary }, () => next() * (1 + (row % 12))),
      )
      const uniforms = rows.map((_, row) => (row === 0 ? 0 : Math.floor(next() * 2 ** 24) / 2 ** 24))
      const { run, close } = await sampler(vocabulary, choice)
      // Alone too, for how much is sorted depends on the whole batch.
      const { tokens, logprobs } = await run(rows, uniforms)
      const alone = await Promise.all(rows.map((row, i) => run([row], [uniforms[i]])))
      rows.forEach((row, i) => {
        const { token, margin } = pick(reference(row, choice), uniforms[i])
        if (margin > 1e-5) {
          assert.is(tokens[i], token, `row ${i}`)
          assert.is(alone[i].tokens[0], token, `row ${i} alone`)
        }
        assert.ok(Math.abs(logprobs[i] - Math.log(softmax(row)[tokens[i]])) < 1e-4)
      })
      await close()
    })
  }
}

test('the most probable token, where sampling is off', async () => {
  const { run, close } = await sampler(5, { temperature: 0, topP: 0.3 })
  const rows = [
    [0, 1, 5, 2, 3],
    [9, 1, 5, 2, 9],
  ]
  const { tokens, logprobs } = await run(rows, [])
  assert.equal(tokens, [2, 0])
  rows.forEach((row, i) => {
    assert.ok(Math.abs(logprobs[i] - Math.log(softmax(row)[tokens[i]])) < 1e-5)
  })
  await close()
})

test('frequencies are the probabilities, and nothing outside the nucleus is ever drawn', async () => {
  const logits = [2, 1, 0.5, 0, -1, -2, -3]
  for (const choice of [
    { temperature: 1, topP: 1 },
    { temperature: 1, topP: 0.8 },
  ]) {
    const { run, close } = await sampler(logits.length, choice)
    const next = stream(11, 'frequencies')
    const count = 20_000
    const { tokens } = await run(
      Array.from({ length: count }, () => logits),
      Array.from({ length: count }, () => Math.floor(next() * 2 ** 24) / 2 ** 24),
    )
    const expected = new Map(reference(logits, choice).map(({ token, mass }) => [token, mass]))
    logits.forEach((_, token) => {
      const share = tokens.filter(t => t === token).length / count
      const mass = expected.get(token) ?? 0
      assert.ok(Math.abs(share - mass) <= 4 * Math.sqrt((mass * (1 - mass)) / count), `${token}: ${share} for ${mass}`)
    })
    await close()
  }
})

test('the ends of the unit interval are tokens with mass', async () => {
  const { run, close } = await sampler(4, { temperature: 1, topP: 1 })
  const row = [-200, 1, 2, -200]
  const { tokens } = await run([row, row], [0, 1 - 2 ** -24])
  assert.equal(tokens, [1, 2])
  await close()
})

test.run()
