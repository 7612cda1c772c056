/** The plots' numbers are those of the rows, computed here in another way. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { accuracyPlot, histogram, lengthsPlot, reasonsPlot } from '../../../src/sophia/report/plots.ts'
import { Score } from '../../../src/sophia/score.ts'
import { tags } from './page.ts'

const test = suite('report plots')
const subjects = ['algebra', 'solid <geometry>', 'counting']
const rows = Array.from({ length: 97 }, (_, i) => {
  const reward = (i * 7) % 5 < 2 && i % 3 !== 2 ? 1 : 0
  const tokens = 5 + ((i * i) % 311)
  const verdict = { reward, answer: '1', reason: reward ? 'right' : i % 4 ? 'wrong' : 'truncated' }
  const response = { index: 0, text: 'x', tokens, finish: 'stop', model: 'm', verdict }
  return { id: i, subject: subjects[i % 3], level: `Level ${(i % 11) + 1}`, response }
})
const score = new Score()
for (const row of rows) score.add(row)
const result = score.result()

/** Rows of a plot: what a person reads, and what is drawn. */
function read(plot: string) {
  tags(plot) // they nest
  return [...plot.matchAll(/<tr><th scope="row">.*?<\/tr>/g)].map(([row]) => ({
    value: /data-value="([^"]*)"/.exec(row)?.[1],
    label: />([^<]*)<\/button>/.exec(row)?.[1],
    width: Number(/<rect class="\w+" width="([\d.]+)"/.exec(row)?.[1]),
    whisker: /class="whisker" d="M([\d.]+) 6H([\d.]+)/.exec(row)?.slice(1).map(Number),
    numbers: [...row.matchAll(/<td class="(?:number|interval|n)">([^<]*)/g)].map(([, text]) => text),
  }))
}

for (const key of ['subject', 'level'] as const) {
  test(key, () => {
    const drawn = read(accuracyPlot(key, result.by[key], result.accuracy))
    assert.is(drawn.length, new Set(rows.map(row => row[key])).size)
    for (const { value, label, width, whisker, numbers } of drawn) {
      assert.is(value, label)
      const name = value?.replace('&lt;', '<').replace('&gt;', '>')
      const of = rows.filter(row => row[key] === name)
      const share = of.filter(row => row.response.verdict.reward === 1).length / of.length
      assert.is(width, Math.round(1e6 * share) / 1e4)
      assert.equal(numbers, [width.toFixed(1), whisker?.map(x => x.toFixed(1)).join('–'), String(of.length)])
      // Wilson's bounds are where the share lies 1.96 standard errors away
      for (const bound of whisker ?? []) {
        const p = bound / 100
        const away = 1.959964 * Math.sqrt((p * (1 - p)) / of.length)
        assert.ok(Math.abs(Math.abs(share - p) - away) < 5e-4, `${name} ${bound}`)
      }
    }
  })
}

test('levels go upwards, subjects by accuracy', () => {
  const levels = read(accuracyPlot('level', result.by.level, 50)).map(({ value }) => value)
  assert.equal(
    levels,
    Array.from({ length: 11 }, (_, i) => `Level ${i + 1}`),
  )
  const widths = read(accuracyPlot('subject', result.by.subject, 50)).map(({ width }) => width)
  assert.equal(
    widths,
    [...widths].sort((a, b) => b - a),
  )
})

test('reasons', () => {
  for (const { value, width } of read(reasonsPlot(result.reasons))) {
    const count = rows.filter(row => row.response.verdict.reason === value).length
    assert.ok(Math.abs(width - (100 * count) / rows.length) <= 0.005)
  }
})

test('lengths', () => {
  const of = (reward: number) => rows.map(({ response }) => response).filter(({ verdict }) => verdict.reward === reward)
  const lengths = {
    unit: 'tokens' as const,
    right: of(1).map(({ tokens }) => tokens),
    wrong: of(0).map(({ tokens }) => tokens),
  }
  const { step, right, wrong } = histogram(lengths)
  assert.is(step, 20)
  for (const [held, counts] of [
    [lengths.right, right],
    [lengths.wrong, wrong],
  ])
    for (const [i, count] of counts.entries())
      assert.is(count, held.filter(length => length >= i * step && length < (i + 1) * step).length)
  const plot = lengthsPlot(lengths)
  tags(plot)
  const titles = [...plot.matchAll(/height="([\d.]+)"><title>(\d+) (right|wrong), ([\d,]+)–/g)]
  assert.is(titles.length, [...right, ...wrong].filter(count => count > 0).length)
  const scale = titles.map(([, height, count]) => Number(height) / Number(count))
  for (const each of scale) assert.ok(Math.abs(each - scale[0]) < 0.02)
  const median = [...lengths.right].sort((a, b) => a - b)[(lengths.right.length - 1) >> 1]
  assert.match(plot, `${lengths.right.length} right, median ${median}`)
})

test('lengths at the edges', () => {
  assert.equal(histogram({ right: [], wrong: [0] }), { step: 1, right: [0], wrong: [1] })
  assert.equal(histogram({ right: [30], wrong: [] }).step, 2)
  const { step, right } = histogram({ right: [16384], wrong: [1] })
  assert.equal([step, right.length, right.at(-1)], [1000, 17, 1])
  tags(lengthsPlot({ unit: 'characters', right: [], wrong: [] }))
})

test.run()
