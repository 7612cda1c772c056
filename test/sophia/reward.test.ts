import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { judge } from '../../src/sophia/reward.ts'
import type { Row, Verdict } from '../../src/sophia/rows.ts'

const test = suite('reward')
const options = { judge: 'strict', key: 'trajectory' } as const
const verdict = (row: Row) => judge(row, options).verdict as Verdict
const row = (text: string, finish = 'stop'): Row => ({
  id: 'a',
  answer: '1/2',
  trajectory: { index: 0, text, tokens: 9, finish, model: 'm' },
})

test('right, wrong, truncated and empty are told apart', () => {
  assert.is(verdict(row('So \\boxed{\\frac{1}{2}}')).reward, 1)
  assert.is(verdict(row('So \\boxed{3}')).reward, 0)
  const reasons = [row('So \\boxed{3}'), row('So the', 'length'), row('')].map(held => verdict(held).reason)
  assert.is(new Set(reasons).size, 3, reasons.join())
})

test('the response may be plain text under another key', () => {
  const made = judge({ answer: 5, response: '\\boxed{5}' }, { judge: 'strict', key: 'response' })
  assert.is((made.verdict as Verdict).reward, 1)
})

test('nothing to judge is an error row, not a reward of 0', () => {
  const codes = [{ answer: 1 }, { trajectory: 'x' }, { answer: 1, trajectory: { text: 3 } }].map(
    held => (judge(held, options).error as { code: string }).code,
  )
  assert.equal(codes, ['no-trajectory', 'no-answer', 'no-trajectory'])
})

test('judging again replaces the verdict', () => {
  const again = judge({ ...row('\\boxed{1/2}'), verdict: { reward: 0, answer: null, reason: 'old' } }, options)
  assert.is((again.verdict as Verdict).reward, 1)
})

test.run()
