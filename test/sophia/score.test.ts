import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../src/io/row.ts'
import { stream } from '../../src/random.ts'
import { tableOf } from '../../src/sophia/result/table.ts'
import { accuracyOf, Score } from '../../src/sophia/score.ts'

const test = suite('sophia: score')

const response = (reward: 0 | 1, index = 0, tokens = 10, more: Row = {}) => ({
  index,
  text: 'It is so.',
  tokens,
  finish: 'stop',
  model: 'm',
  verdict: { reward, answer: null, reason: reward ? 'right' : 'wrong' },
  ...more,
})
const failed = { error: { stage: 'eval', code: 'x', message: '', retryable: false } }

function resultOf(rows: Row[], expected: Row[] = []) {
  const score = new Score()
  for (const row of expected) score.expect(row)
  for (const row of rows) score.add(row)
  return score.result()
}

test("Wilson's interval, in percent", () => {
  // Agresti & Coull 1998: 0 of 10 has the upper limit z²/(n+z²) = 27.75%; 5 of 10 is symmetric about 50%.
  const counts = (right: number, n: number) => Array.from({ length: n }, (_, i) => (i < right ? 1 : 0))
  const none = accuracyOf(counts(0, 10))
  assert.equal(none, { accuracy: 0, stderr: 0, ci95: [0, 27.7533], n: 10 })
  assert.equal(accuracyOf(counts(5, 10)).ci95, [23.6593, 76.3407])
})

test('pass@1 is the mean over problems of their share of right samples; groups and reasons are counted', () => {
  const result = resultOf([
    { id: 'a', answer_type: 'integer', response: response(1) },
    { id: 'a', answer_type: 'integer', response: response(0, 1, 30, { finish: 'length' }) },
    { id: 'b', answer_type: 'choice', response: response(1) },
    { id: 'b', answer_type: 'choice', response: response(1, 1) },
  ])
  assert.is(result.accuracy, 75)
  assert.is(result.n, 2)
  assert.is(result.samples, 2)
  assert.is(result.responses, 4)
  assert.is(result.by.answer_type.integer.accuracy, 50)
  assert.equal(result.reasons, { right: 75, wrong: 25 })
  assert.is(result.cut, 25)
  assert.equal(result.tokens, {
    ...{ mean: 15, median: 10, p90: 24, max: 30 },
    right: { mean: 10, median: 10, p90: 10, max: 10 },
    wrong: { mean: 30, median: 30, p90: 30, max: 30 },
  })
  assert.equal(result.models, ['m'])
})

test('two denominators: no answer is wrong over all problems, and left out of those answered', () => {
  const problem = (id: string) => ({ id, subject: 'maths' })
  const rows = [
    { ...problem('right'), response: response(1) },
    { ...problem('wrong'), response: response(0) },
    { ...problem('empty'), response: response(0, 0, 1, { text: ' \n' }) },
    { ...problem('refused'), response: response(0, 0, 1, { text: '<Inappropriate content in response>' }) },
    { ...problem('broken'), response: response(0, 0, 1, { text: '{code: 500, message: overloaded}' }) },
    { ...problem('failed'), ...failed },
    { id: 'stranger', error: { ...failed.error, code: 'no-problem' } },
  ]
  const result = resultOf(rows, [problem('right'), problem('never')])
  assert.equal([result.n, result.accuracy], [7, 14.2857])
  assert.equal([result.answered.n, result.answered.accuracy], [2, 50])
  assert.equal([result.errors, result.unanswered, result.responses], [2, 2, 5])
  assert.equal([result.by.subject.maths.n, result.by.subject.maths.answered.n], [7, 2])
  const table = tableOf(result, { benchmark: 'olympiadbench', denominator: 'answered' })
  assert.match(table, /pass@1 over all problems +14\.3 +\[.*\] +7/)
  assert.match(table, /pass@1 over those answered \* +50\.0 +\[.*\] +2/)
  assert.match(table, /2 problems have no answer here \(2 rows carry an error\)/)
  assert.match(table, /what olympiadbench reports: it leaves out empty, refused and failed ones/)
})

test('pass@k is what drawing k of the samples gives, by counting the draws', () => {
  const next = stream(3, 'score')
  const n = 5
  const problems = Array.from({ length: 7 }, () => Array.from({ length: n }, () => (next() < 0.4 ? 1 : 0) as 0 | 1))
  const rows = problems.flatMap((rewards, p) =>
    rewards.map((reward, i) => ({ id: `p${p}`, response: response(reward, i) })),
  )
  const result = resultOf([...rows, { id: 'failed', ...failed }])
  assert.equal(Object.keys(result.passAt!), ['1', '2', '4', '5'])
  for (const k of [1, 2, 4, 5]) {
    const draws = Array.from({ length: 2 ** n }, (_, bits) => bits).filter(bits => ones(bits) === k)
    const chance = (rewards: number[]) =>
      draws.filter(bits => rewards.some((reward, i) => reward === 1 && bits & (1 << i))).length / draws.length
    const mean = problems.map(chance).reduce((a, b) => a + b, 0) / (problems.length + 1) // the failed one is a zero
    assert.ok(Math.abs(result.passAt![k].accuracy - 100 * mean) < 1e-4)
    assert.is(result.passAt![k].n, 8)
  }
  assert.is(result.passAt!['1'].accuracy, result.accuracy)
  assert.match(tableOf(result), /pass@4/)
  assert.is(resultOf(rows.filter(row => row.response.index === 0)).passAt, undefined)
})

test('groups: geometry or not, pictures, levels in their order, subject and level together', () => {
  const problem = (id: string, more: Row) => ({ id, ...more, response: response(1) })
  const { by, levels } = resultOf([
    problem('a', { subject: 'metric geometry - area', level: 10, images: ['a.png'] }),
    problem('b', { subject: 'algebra', level: 2, images: ['a.png', 'b.png'] }),
    problem('c', { subject: 'maths', subfield: 'Geometry', level: 1 }),
    problem('d', { subject: 'physics', subfield: 'Optics', modality: 'vision only', image: 'c.png' }),
  ])
  assert.equal([by.area.geometry.n, by.area.other.n], [2, 2])
  assert.equal(Object.keys(by.level), ['1', '2', '10'])
  assert.equal(Object.keys(by.modality), ['one picture', 'several pictures', 'text only', 'vision only'])
  assert.equal(
    [Object.keys(levels!), Object.keys(levels!.physics), levels!.algebra['2'].n],
    [['algebra', 'maths', 'metric geometry - area', 'physics'], [], 1],
  )
  assert.is(resultOf([problem('b', { subject: 'algebra' })]).by.area, undefined)
})

test('variants of one seed question: the worst case and the mean; steps of a problem', () => {
  const variant = (group: string, id: string, reward: 0 | 1, steps?: Row) => ({
    ...{ id, group },
    response: response(reward, 0, 10, { verdict: { reward, answer: null, reason: 'x', ...(steps && { steps }) } }),
  })
  const result = resultOf([
    variant('g', 'g1', 1, { right: 2, of: 2 }),
    variant('g', 'g2', 1, { right: 1, of: 3 }),
    variant('h', 'h1', 1),
    variant('h', 'h2', 0),
    variant('h', 'h3', 0),
    { id: 'i1', group: 'i', ...failed },
  ])
  assert.equal([result.groups!.worst.accuracy, result.groups!.worst.n], [33.3333, 3])
  assert.is(result.groups!.average.accuracy, Math.round((1e6 * (1 + 1 / 3 + 0)) / 3) / 1e4)
  assert.equal(result.steps, { rate: 60, right: 3, of: 5, problems: 2 })
  assert.match(tableOf(result), /groups all right +33\.3/)
  assert.match(tableOf(result), /steps right +60\.0% +3 of 5/)
})

test('no response at all is 0 of 0', () => {
  const { accuracy, ci95, n, tokens } = new Score().result()
  assert.equal(
    { accuracy, ci95, n, tokens },
    { accuracy: 0, ci95: [0, 100], n: 0, tokens: { mean: 0, median: 0, p90: 0, max: 0 } },
  )
  assert.is(tableOf(new Score().result()), 'no problems came in: there is nothing to score')
})

test('the table keeps its columns, and leaves out what tells nothing', () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({
    ...{
      id: i,
      subject: `s${i}`,
      level: i % 3,
      language: 'en',
      answer_type: 'a type whose name is longer than its column',
    },
    response: response((i % 2) as 0 | 1),
  }))
  rows[0].answer_type = 'short'
  const lines = tableOf(resultOf(rows)).split('\n')
  assert.not.ok(lines.includes('subject')) // 30 values
  assert.not.ok(lines.includes('language')) // one value
  assert.ok(lines.includes('level'))
  const columns = lines.filter(line => line.includes('[')).map(line => line.indexOf(']'))
  assert.is(new Set(columns).size, 1, lines.join('\n'))
})

test.run()

function ones(bits: number): number {
  return bits.toString(2).replaceAll('0', '').length
}
