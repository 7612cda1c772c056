/** Eq. 5 and 6 on small problems worked out by hand. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { propagate } from '../../src/sophia/propagate.ts'
import type { Credit, Row } from '../../src/sophia/rows.ts'

const test = suite('propagate')

/** One row a character pair: caption's rewards as 0/1, tokens given beside. */
const row = (id: string, caption: number, index: number, reward: number, tokens: number): Row => ({
  id,
  caption: { index: caption, text: '', tokens: 1, finish: 'stop', logprob: 0 },
  trajectory: { index, text: '', tokens, finish: 'stop', model: 'm' },
  verdict: { reward, answer: '1', reason: 'right' },
})
const problem = [
  row('a', 0, 0, 1, 30), // caption 0: 4/4
  row('a', 0, 1, 1, 20),
  row('a', 0, 2, 1, 25),
  row('a', 0, 3, 1, 20),
  row('a', 1, 0, 1, 5), // caption 1: 3/4, not above 0.75
  row('a', 1, 1, 1, 5),
  row('a', 1, 2, 1, 5),
  row('a', 1, 3, 0, 1),
  row('a', 2, 0, 1, 20), // caption 2: 4/4
  row('a', 2, 1, 1, 90),
  row('a', 2, 2, 1, 90),
  row('a', 2, 3, 1, 90),
]

test('R(c) is the mean outcome of the caption’s own trajectories', async () => {
  const captions = (await credits(problem, 0.75, 1)).map(credit => credit.caption)
  assert.equal(captions, [1, 1, 1, 1, 0.75, 0.75, 0.75, 0.75, 1, 1, 1, 1])
})

test('Keep-1: the shortest right one of the captions above α; ties by caption, then trajectory', async () => {
  assert.equal(await rewarded(problem, 0.75, 1), [1])
})

test('Keep-N and all', async () => {
  assert.equal(await rewarded(problem, 0.75, 2), [1, 3])
  assert.equal(await rewarded(problem, 0.75, 4), [1, 2, 3, 8])
  assert.equal(await rewarded(problem, 0.75, 0), [0, 1, 2, 3, 8, 9, 10, 11])
})

test('α is a strict bound', async () => {
  assert.equal(await rewarded(problem, 0.74, 1), [4])
  assert.equal(await rewarded(problem, 1, 1), [])
})

test('every problem for itself; rows that failed pass and are not counted', async () => {
  const failed: Row = { ...row('a', 0, 9, 1, 1), error: { stage: 'reason', code: 'x', message: 'x', retryable: false } }
  const rows = [row('a', 0, 0, 1, 9), failed, row('b', 0, 0, 1, 5), row('b', 0, 1, 0, 2)]
  const made = await all(rows, 0.75, 1)
  assert.is(made[1], failed)
  assert.equal(
    made.map(held => held.credit),
    [{ caption: 1, reward: 1 }, undefined, { caption: 0.5, reward: 0 }, { caption: 0.5, reward: 0 }],
  )
})

test('a row without a verdict is an error row', async () => {
  const [made] = await all([{ id: 'a', trajectory: {} }], 0.75, 1)
  assert.is((made.error as { code: string }).code, 'no-verdict')
})

test('rows without id belong together by what they ask', async () => {
  const rows = problem.map(({ id: _, ...rest }) => ({ question: 'Q', answer: 1, ...rest }))
  const made = await all(rows, 0.75, 1)
  assert.equal(made.filter(held => (held.credit as Credit).reward).length, 1)
})

test('a problem whose rows stand apart is refused', async () => {
  try {
    await all([problem[0], row('b', 0, 0, 1, 1), problem[1]], 0.75, 1)
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /id a: its rows do not stand together/)
  }
})

test.run()

async function all(rows: Row[], alpha: number, keep: number): Promise<Row[]> {
  const list: Row[] = []
  for await (const held of propagate(rows, { alpha, keep })) list.push(held)
  return list
}

async function credits(rows: Row[], alpha: number, keep: number): Promise<Credit[]> {
  return (await all(rows, alpha, keep)).map(held => held.credit as Credit)
}

async function rewarded(rows: Row[], alpha: number, keep: number): Promise<number[]> {
  return (await credits(rows, alpha, keep)).flatMap((credit, i) => (credit.reward ? [i] : []))
}
