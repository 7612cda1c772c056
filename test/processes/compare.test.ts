/** eval compare as a process: pairs, flips, numbers, what it refuses and what it doubts. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../src/io/row.ts'
import { linesOf, rowsOf, shell, sophia, temporary } from './sophia.ts'

const test = suite('eval compare')
const dir = temporary()
const at = (name: string) => join(dir, name)

const row = (id: string, reward: number, more: Row = {}, verdict: Row = {}): Row => ({
  ...{ id, question: `What is ${id}?`, answer: '1', subject: Number(id.slice(1)) % 2 ? 'odd' : 'even', source: 's' },
  response: {
    ...{ index: 0, text: '…', tokens: 9, finish: 'stop', model: 'm' },
    verdict: { reward, answer: reward ? '1' : '0', reason: reward ? 'right' : 'wrong', ...verdict },
  },
  ...more,
})
const error = { stage: 'eval', code: 'x', message: '', retryable: false }
// Of 60: 10 lost, 15 gained, 20 right in both, 15 wrong in both; each side has a problem of its own, A one that failed
const before = (i: number) => Number(i < 10 || (i >= 25 && i < 45))
const after = (i: number) => Number(i >= 10 && i < 45)
const ids = Array.from({ length: 60 }, (_, i) => `p${i}`)
put('a.jsonl', [...ids.map((id, i) => row(id, before(i))), row('p100', 1), { id: 'p101', error }])
put('b.jsonl', [row('p102', 0), ...ids.map((id, i) => row(id, after(i))).reverse()])

test('pairs by id, whatever the order; flips are rows, the table is for people', async () => {
  const { code, stdout, stderr } = await sophia([
    'eval',
    'compare',
    at('a.jsonl'),
    at('b.jsonl'),
    '--summary',
    at('s.json'),
  ])
  assert.is(code, 0, stderr)
  const flips = rowsOf(stdout)
  assert.equal(
    flips.map(flip => `${flip.id} ${flip.flip}`),
    ids.slice(0, 25).map((id, i) => `${id} ${i < 10 ? 'lost' : 'gained'}`),
  )
  const side = (right: number) => ({ right, of: 1, answers: [`${right}`], reasons: [right ? 'right' : 'wrong'] })
  const told = { subject: 'even', question: 'What is p10?', answer: '1', from: side(0), to: side(1) }
  assert.equal(flips[10], { id: 'p10', flip: 'gained', ...told })
  const s = JSON.parse(readFileSync(at('s.json'), 'utf8'))
  assert.equal([s.n, s.a.accuracy, s.b.accuracy, s.difference], [60, 50, 58.3333, 8.3333])
  assert.equal(s.counts, { gained: 15, lost: 10, bothRight: 20, bothWrong: 15 })
  assert.equal([s.files.a.unpaired, s.files.b.unpaired, s.files.a.errors], [1, 1, 1])
  const golden = JSON.parse(readFileSync('fixtures/golden/stats/stats.json', 'utf8'))
  const { p } = golden.mcnemar.find((it: { lost: number; gained: number }) => it.lost === 10 && it.gained === 15)
  assert.ok(Math.abs(s.mcnemar.p - p) < 1e-12)
  // sd of the differences is √(25/60 - (5/60)²): the interval is near the normal one
  const half = (100 * 1.96 * Math.sqrt(25 / 60 - (5 / 60) ** 2)) / Math.sqrt(60)
  assert.ok(Math.abs(s.ci95[0] - (s.difference - half)) < 2 && Math.abs(s.ci95[1] - (s.difference + half)) < 2)
  assert.equal([s.by.subject.even.n, s.by.subject.odd.n], [30, 30])
  assert.ok(Math.abs((s.by.subject.even.difference + s.by.subject.odd.difference) / 2 - s.difference) < 1e-3)
  assert.equal(s.warnings, [])
  assert.match(stderr, /paired +50\.0 +58\.3 +\+8\.3/)
  assert.match(stderr, /chi-square with continuity correction, χ² = 0\.64\): p = 0\.4237/)
})

test('quiet, a file, standard input for one; the same seed gives the same numbers', async () => {
  const args = ['eval', 'compare', '-', at('b.jsonl'), '-q', '-o', at('flips.parquet')]
  const one = await sophia([...args, '--summary', at('s1.json')], readFileSync(at('a.jsonl'), 'utf8'))
  assert.equal([one.code, one.stdout, one.stderr], [0, '', ''])
  assert.is(readFileSync(at('flips.parquet')).toString('latin1', 0, 4), 'PAR1')
  const ci = (name: string) => JSON.parse(readFileSync(at(name), 'utf8')).ci95
  assert.equal(ci('s1.json'), ci('s.json'))
})

test('several samples: means of the problems, no McNemar; groups are drawn together', async () => {
  const samples = (rewards: number[], group: string) => (id: string) =>
    rewards.map((reward, index) => {
      const made = row(id, reward, { group })
      return { ...made, response: { ...(made.response as Row), index } }
    })
  put('a4.jsonl', [...samples([1, 0, 0, 0], 'g')('p1'), ...samples([0, 0], 'g')('p2'), ...samples([1], 'h')('p3')])
  put('b4.jsonl', [...samples([1, 1, 0, 0], 'g')('p1'), ...samples([0, 0], 'g')('p2'), ...samples([1], 'h')('p3')])
  const args = ['eval', 'compare', at('a4.jsonl'), at('b4.jsonl'), '--summary', at('s4.json')]
  const { stdout, stderr } = await sophia(args)
  const s = JSON.parse(readFileSync(at('s4.json'), 'utf8'))
  assert.equal([s.a.accuracy, s.b.accuracy, s.difference], [41.6667, 50, 8.3333])
  assert.equal([s.bootstrap.over, s.bootstrap.clusters], ['groups', 2])
  assert.is(s.mcnemar, undefined)
  // two clusters: (0.25, 2 problems) and (0, 1): the bootstrap's means are 0, 1/12 and 1/8
  assert.equal(s.ci95, [0, 12.5])
  assert.match(stderr, /for one response a problem/)
  assert.equal(rowsOf(stdout)[0].to, {
    right: 2,
    of: 4,
    answers: ['1', '1', '0', '0'],
    reasons: ['right', 'right', 'wrong', 'wrong'],
  })
})

test('what it doubts: other benchmarks, other judges, other answers in the key, two runs in one file', async () => {
  const judged = (judge: string) => ({ judge })
  put('a2.jsonl', [
    row('p1', 1, {}, judged('x')),
    row('p1', 0, {}, judged('x')),
    row('p2', 0, { source: 't' }, { answer: '7' }),
  ])
  put('b2.jsonl', [row('p1', 1, { answer: '3' }, judged('y')), row('p2', 1, {}, { answer: '7' })])
  const { code, stderr } = await sophia(['eval', 'compare', at('a2.jsonl'), at('b2.jsonl'), '-o', at('f2.jsonl')])
  assert.is(code, 0)
  assert.match(stderr, /warning: the problems are of different benchmarks: s, t and s/)
  assert.match(stderr, /warning: the judges differ: x and y/)
  assert.match(stderr, /warning: 1 problems have another golden answer in B/)
  assert.match(stderr, /warning: 1 problems have the same answer in both, judged differently/)
  assert.match(stderr, /warning: .*a2\.jsonl: 1 problems have several responses of the same index/)
})

test('what it refuses', async () => {
  put('other.jsonl', [row('q9', 1)])
  put('raw.jsonl', [{ id: 'p1', response: 'It is 3.' }])
  const cases: [string[], number, RegExp][] = [
    [[at('a.jsonl'), at('other.jsonl')], 1, /found no id in common: .*a\.jsonl has 61 ids, the first is p0; .*q9/],
    [[at('a.jsonl'), at('raw.jsonl')], 1, /raw\.jsonl: expected rows of sophia eval.*none in 1 rows.*--responses/],
    [[at('a.jsonl'), at('none.jsonl')], 1, /none\.jsonl: no such file/],
    [[at('a.jsonl'), at('b.jsonl'), '--summary', at('no/s.json')], 2, /--summary .*s\.json: there is no folder/],
    [['-', '-'], 2, /standard input twice/],
    [[at('a.jsonl')], 2, /Missing 1 required arg/],
  ]
  for (const [args, exit, message] of cases) {
    const { code, stderr, stdout } = await sophia(['eval', 'compare', ...args])
    assert.is(code, exit, stderr)
    assert.match(stderr, message)
    assert.not.match(stderr, /\n\s+at /)
    assert.is(stdout, '')
  }
})

test('| head -1 ends at once with 0; both helps are there', async () => {
  const line = `$SOPHIA eval compare "$DIR/a.jsonl" "$DIR/b.jsonl" -q | head -1; echo $PIPESTATUS`
  const { stdout } = await shell(line, dir)
  const [first, code] = stdout.trim().split('\n')
  assert.is(JSON.parse(first).id, 'p0')
  assert.is(code, '0')
  assert.match((await sophia(['eval', 'compare', '--help'])).stdout, /sophia eval compare A B/)
  assert.match((await sophia(['eval', '--help'])).stdout, /--benchmark=<option>[\s\S]*eval compare +Pair two runs/)
  assert.match((await sophia(['--help'])).stdout, /eval compare +Pair two runs/)
})

test.run()

function put(name: string, rows: Row[]): void {
  writeFileSync(at(name), linesOf(rows))
}
