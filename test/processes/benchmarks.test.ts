/** eval on a benchmark's own files, and on saved answers, as processes. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../src/io/row.ts'
import type { Response } from '../../src/sophia/score.ts'
import { linesOf, rowsOf, sophia, temporary } from './sophia.ts'

const test = suite('eval on benchmarks')
const dir = temporary()
const at = (name: string) => join(dir, name)
const item = { options: [], solution: null, level: 2, subject: 'counting' }
const items = [
  { ...item, id: '1', question: 'How many? <image1>', answer: '11/25', image: 'images/1.png' },
  { ...item, id: '2', question: 'Which? <image1>', options: ['x', 'y'], answer: 'B', image: 'images/2.png' },
]
mkdirSync(at('images'))
for (const id of [1, 2]) cpSync(`fixtures/golden/models/llava/picture${id - 1}.png`, at(`images/${id}.png`))
put('testmini.jsonl', items)
const benchmark = ['eval', '--benchmark', 'mathvision', '--data', dir]

test('the tiny policy is asked and judged as the benchmark does it', async () => {
  const summary = ['--summary', at('result.json')]
  const model = ['--model', 'fixtures/policy', '--device', 'cpu', '--max-tokens', '16', '-q']
  const { code, stderr, stdout } = await sophia([...benchmark, ...model, ...summary])
  assert.is(stderr, '')
  assert.is(code, 0)
  const rows = rowsOf(stdout)
  assert.equal(
    rows.map(row => row.id),
    ['1', '2'],
  )
  assert.is((rows[0].response as Response).model, 'fixtures/policy')
  const written = JSON.parse(readFileSync(at('result.json'), 'utf8'))
  assert.is(written.results.mathvision['acc,none'], written.sophia.accuracy / 100)
  assert.equal(written['n-samples'].mathvision, { original: 2, effective: 2 })
  assert.is(written.config.gen_kwargs.max_new_tokens, 16)
  const { n, by, settings } = written.sophia
  assert.is(n, 2)
  assert.is(by.level['2'].n, 2)
  assert.is(settings.judge, 'mathvision')
  assert.is(settings.benchmark, 'mathvision')
})

test('saved answers meet their problems by id; no model runs', async () => {
  // 7/16 passes for 11/25 in the official judge: both round to 0.44
  put('answers.jsonl', [
    { id: '1', model: 'someone', response: '\\boxed{\\frac{7}{16}}', error: '1e-1' },
    { id: '3', response: 'B' },
  ])
  const args = ['--responses', at('answers.jsonl'), '--summary', at('saved.json'), '--log-samples', at('saved.jsonl')]
  const { code, stdout, stderr } = await sophia([...benchmark, ...args])
  assert.is(code, 3)
  assert.match(stderr, /1 problem has no answer here \(1 row carries an error\)/)
  assert.match(stderr, /judged by mathvision\n/)
  assert.not.match(stderr, /^tokens/m)
  const [right, stranger] = rowsOf(stdout)
  const { verdict, model } = right.response as Response
  assert.is(verdict.reward, 1)
  assert.is(model, 'someone')
  assert.is(right.subject, 'counting')
  assert.is((stranger.error as { code: string }).code, 'no-problem')
  const { sophia: result } = JSON.parse(readFileSync(at('saved.json'), 'utf8'))
  assert.equal([result.accuracy, result.n, result.errors, result.unanswered], [50, 2, 1, 1])
  assert.equal([result.answered.accuracy, result.answered.n], [100, 1])
  const [sample, ...more] = rowsOf(readFileSync(at('saved.jsonl'), 'utf8'))
  assert.equal(more, [])
  assert.equal([sample.doc_id, sample.target, sample.acc, sample.model], [0, '11/25', 1, 'someone'])
  assert.equal(sample.resps, [['\\boxed{\\frac{7}{16}}']])
  const strict = await sophia([...benchmark, ...args, '--judge', 'strict', '-q'])
  assert.is((rowsOf(strict.stdout)[0].response as Response).verdict.reward, 0)
})

test('rows that are whole need no benchmark; --key says where the answer is', async () => {
  const finish = 'length'
  const rows = [
    { id: 'a', question: '1+1?', answer: '2', said: { text: '<think>One and', finish } },
    { id: 'b', question: '1+2?', answer: '3', said: 'It is \\boxed{3}.' },
    { id: 'c', question: '1+3?', answer: '4' },
  ]
  const text = linesOf(rows)
  const { code, stdout } = await sophia(['eval', '--responses', '-', '--key', 'said', '-q'], text)
  assert.is(code, 3)
  const [cut, right, none] = rowsOf(stdout)
  assert.is((cut.response as Response).verdict.reason, 'truncated')
  assert.is((right.response as Response).verdict.reward, 1)
  assert.is(right.said, 'It is \\boxed{3}.')
  assert.is((none.error as { code: string }).code, 'no-said')
})

test('rows of one benchmark are not counted to another', async () => {
  put('stray.jsonl', [{ id: '1', source: 'mathvision', question: 'Q', answer: '1', response: '1' }])
  const { code, stderr } = await sophia(['eval', '--benchmark', 'mmmu', '--responses', at('stray.jsonl')])
  assert.is(code, 1)
  assert.match(stderr, /expected answers to mmmu, got one to mathvision \(id 1\)/)
})

test('wrong usage says what to do', async () => {
  const model = ['--model', 'fixtures/policy']
  const cases: [string[], RegExp][] = [
    [['--data', dir, ...model], /expected --benchmark with it/],
    [['problems.jsonl'], /expected --model MODEL, or --responses FILE/],
    [['problems.jsonl', ...model, '--log-samples', dir], /--log-samples .*: expected a file to write, got a folder/],
    [['problems.jsonl', '--responses', 'x.jsonl'], /expected INPUT or --responses, got both/],
    [['--responses', 'x.jsonl', '--samples', '4'], /: --samples=4 cannot also be provided when using --responses/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = await sophia(['eval', ...args])
    assert.is(code, 2)
    assert.match(stderr, message)
  }
})

test.run()

function put(name: string, rows: Row[]): void {
  writeFileSync(at(name), linesOf(rows))
}
