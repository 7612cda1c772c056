import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accuracyOf, Score, tableOf } from '../../src/sophia/score.ts'

const test = suite('sophia: score')

const response = (reward: 0 | 1, index = 0, tokens = 10) => ({
  index,
  text: '',
  tokens,
  finish: 'stop',
  model: 'm',
  verdict: { reward, answer: null, reason: reward ? 'right' : 'wrong' },
})

test("Wilson's interval", () => {
  // Agresti & Coull 1998: 0 of 10 has the upper limit z²/(n+z²) = 27.75%; 5 of 10 is symmetric about 50%.
  const counts = (right: number, n: number) =>
    Array.from({ length: n }, (_, i) => ({ right: i < right ? 1 : 0, samples: 1 }))
  assert.equal(accuracyOf(counts(0, 10)), { accuracy: 0, ci95: [0, 27.75], n: 10 })
  assert.equal(accuracyOf(counts(5, 10)), { accuracy: 50, ci95: [23.66, 76.34], n: 10 })
})

test('pass@1 is the mean over problems of their share of right samples; groups and reasons are counted', () => {
  const score = new Score()
  score.add({ id: 'a', answer_type: 'integer', response: response(1) })
  score.add({ id: 'a', answer_type: 'integer', response: response(0, 1, 30) })
  score.add({ id: 'b', answer_type: 'choice', response: response(1) })
  score.add({ id: 'b', answer_type: 'choice', response: response(1, 1) })
  score.add({ id: 'c', error: { stage: 'eval', code: 'x', message: '', retryable: false } })
  const result = score.result()
  assert.is(result.accuracy, 75)
  assert.is(result.n, 2)
  assert.is(result.samples, 2)
  assert.is(result.errors, 1)
  assert.is(result.by.answer_type.integer.accuracy, 50)
  assert.equal(result.reasons, { right: 75, wrong: 25 })
  assert.equal(result.tokens, { mean: 15, max: 30 })
  assert.match(tableOf(result), /pass@1 +75\.0/)
})

test('no response at all is 0 of 0', () => {
  const { accuracy, ci95, n } = new Score().result()
  assert.equal({ accuracy, ci95, n }, { accuracy: 0, ci95: [0, 100], n: 0 })
})

test.run()
