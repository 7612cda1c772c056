/** The layouts of lmms-eval, key by key: what its own readers look for is there and means the same. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../src/io/row.ts'
import { type About, lmmsResult, taskOf } from '../../src/sophia/result/lmms.ts'
import { SampleLog } from '../../src/sophia/result/samples.ts'
import { Score } from '../../src/sophia/score.ts'

const test = suite('sophia: lmms-eval layouts')
const dir = mkdtempSync(join(tmpdir(), 'sophia-test-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

const said = (id: string, index: number, reward: 0 | 1, more: Row = {}): Row => ({
  ...{ id, question: 'How many?', answer: '3', images: ['a.png'], ...more },
  response: {
    ...{ index, text: `I say ${reward ? 3 : 4}.`, tokens: 5, finish: 'stop', model: 'm' },
    verdict: { reward, answer: reward ? '3' : '4', reason: reward ? 'right' : 'wrong' },
  },
})
const about: About = {
  ...{ input: 'data/problems.parquet', model: 'org/model', device: 'cuda', batchSize: 8, seed: 5, version: '1.2.3' },
  sampled: { temperature: 1, top_p: 0.8, max_tokens: 99 },
  settings: { judge: 'strict', extractor: 'rules', model: 'org/model' },
  began: new Date('2026-01-02T03:04:05Z'),
}

test('aggregated results', () => {
  const score = new Score()
  for (const reward of [1, 0, 0, 0] as const) score.add(said('a', 0, reward))
  for (const reward of [1, 1, 1, 1] as const) score.add(said('b', 0, reward))
  score.expect({ id: 'c' })
  const made = lmmsResult(score.result(), about)
  const { results } = made
  assert.equal(Object.keys(results), ['problems'])
  const { alias, samples, ...metrics }: Record<string, string | number> = results.problems
  assert.equal([alias, samples], ['problems', 3])
  // shares 1/4, 1, 0: mean 5/12, sample standard deviation over √3
  const sd = Math.sqrt([1 / 4, 1, 0].reduce((sum, x) => sum + (x - 5 / 12) ** 2, 0) / 2)
  assert.is(metrics['acc,none'], 0.416667)
  assert.is(metrics['acc_stderr,none'], Math.round((1e6 * sd) / Math.sqrt(3)) / 1e6)
  assert.is(metrics['acc_answered,none'], 0.625)
  assert.is(metrics['pass@4,none'], 0.666667)
  assert.is(metrics['pass@2,none'], 0.5) // (1/2 + 1 + 0)/3
  for (const name of Object.keys(metrics)) assert.match(name, /^[^,]+,none$/)
  const names = Object.keys(metrics).filter(name => !name.includes('stderr'))
  assert.equal(
    Object.keys(made.higher_is_better.problems),
    names.map(name => name.split(',')[0]),
  )
  for (const key of ['group_subtasks', 'configs', 'versions', 'n-shot', 'higher_is_better', 'n-samples'] as const)
    assert.equal(Object.keys(made[key]), ['problems'], key)
  assert.equal(made['n-samples'].problems, { original: 3, effective: 2 })
  assert.is(made.configs.problems.repeats, 4)
  assert.equal(made.config.gen_kwargs, { temperature: 1, top_p: 0.8, max_new_tokens: 99, do_sample: true })
  assert.is(made.config.model_args, 'pretrained=org/model,device=cuda')
  assert.is(made.date, '20260102_030405')
  assert.is(made.model_name_sanitized, 'org__model')
  assert.is(made.sophia.accuracy, 41.6667)
  assert.is(made.sophia.settings.judge, 'strict')
})

test('the task is the benchmark, or the file', () => {
  const official = { benchmark: 'mmmu', denominator: 'all' as const }
  assert.is(taskOf({ official, input: 'x' }), 'mmmu')
  assert.is(taskOf({ input: 'a/b.jsonl.gz' }), 'b')
  assert.is(taskOf({ input: '-' }), 'stdin')
})

test('samples: a line a problem, no bytes of pictures', () => {
  const path = join(dir, 'samples.jsonl')
  const log = new SampleLog(path, row => `Q: ${row.question}`, { temperature: 1 })
  const pictures = ['a.png', { bytes: Buffer.from('BYTES'), path: 'b.png' }, { bytes: Buffer.from('BYTES') }]
  const data = 'data:image/png;base64,QllURVM='
  log.add(said('a', 0, 1, { images: [...pictures, data], level: 2 }))
  log.add(said('a', 1, 0, { images: [...pictures, data], level: 2 }))
  log.add({ id: 'x', error: { stage: 'eval', code: '', message: '', retryable: false } })
  log.add(said('b', 0, 0, { answer: ['1', '2'] }))
  log.add(said('a', 2, 1)) // apart from its others: a line of its own, of the same document
  log.end()
  const text = readFileSync(path, 'utf8')
  assert.not.match(text, /QllURVM|BYTES/)
  const [a, b, again, ...none] = text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(none, [])
  assert.equal([a.doc_id, b.doc_id, again.doc_id], [0, 1, 0])
  const doc = { id: 'a', question: 'How many?', answer: '3', level: 2, images: ['a.png', 'b.png', null, null] }
  assert.equal(a.doc, doc)
  assert.equal(a.resps, [['I say 3.', 'I say 4.']])
  assert.equal(a.filtered_resps, ['3', '4'])
  assert.equal([a.acc, a.score, b.acc, again.acc], [0.5, 0.5, 0, 1])
  assert.equal(a.arguments, [['Q: How many?', { temperature: 1 }]])
  assert.equal([a.target, b.target], ['3', '["1","2"]'])
  assert.is(a.target_hash, createHash('sha256').update('3').digest('hex'))
  assert.is(a.prompt_hash, createHash('sha256').update(a.input).digest('hex'))
})

test('nothing answered leaves an empty file, and a run that never began leaves the old one', () => {
  const path = join(dir, 'empty.jsonl')
  new SampleLog(path, () => '', {})
  assert.throws(() => readFileSync(path))
  new SampleLog(path, () => '', {}).end()
  assert.is(readFileSync(path, 'utf8'), '')
})

test.run()
