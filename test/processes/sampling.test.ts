/**
 * caption and reason as processes, on the small random models of fixtures/golden/models: what they promise about
 * order, draws, shards, kill -9 and readers that leave, whatever the text is worth.
 */
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../src/io/row.ts'
import type { Response } from '../../src/sophia/score.ts'
import { ended, linesOf, rowsOf, shell, sophia, start, temporary } from './sophia.ts'

const test = suite('sampling')
const dir = temporary()
const at = (name: string) => join(dir, name)
const models = 'fixtures/golden/models'
const count = 40
const problems: Row[] = Array.from({ length: count }, (_, i) => ({
  id: `p${i}`,
  images: [`picture${i % 2}.png`],
  question: `Q${i}?`,
  answer: i,
}))
problems[5].images = ['none.png']
writeFileSync(at('problems.jsonl'), linesOf(problems))
cpSync(`${models}/llava`, at('llava'), { recursive: true })
writeFileSync(at('llava/prompts.json'), '{"answer": "{question}", "system": ""}') // ours are longer than its context
writeFileSync(at('see.txt'), 'Look.\n')
writeFileSync(at('think.txt'), '{question} {caption}\n')

const sampling = [
  '--max-tokens',
  '12',
  '--batch-size',
  '8',
  '--device',
  'cpu',
  '--seed',
  '7',
  '--temperature',
  '4',
  '-q',
]
const flags: Record<string, string[]> = {
  caption: [
    '--model',
    `${models}/llava`,
    '--images',
    `${models}/llava`,
    '--captions',
    '3',
    '--prompt',
    at('see.txt'),
    ...sampling,
  ],
  reason: ['--model', `${models}/qwen2`, '--trajectories', '2', '--prompt', at('think.txt'), ...sampling],
  eval: [
    '--model',
    at('llava'),
    '--images',
    at('llava'),
    '--samples',
    '2',
    '--summary',
    at('result.json'),
    '--log-samples',
    at('samples.jsonl'),
    ...sampling,
  ],
}
const input: Record<string, string> = {
  caption: at('problems.jsonl'),
  reason: at('caption.jsonl'),
  eval: at('problems.jsonl'),
}
const captioned = sophia(['caption', input.caption, '-o', at('caption.jsonl'), ...flags.caption])
const reasoned = captioned.then(() => sophia(['reason', input.reason, '-o', at('reason.jsonl'), ...flags.reason]))
const evaluated = reasoned.then(() => sophia(['eval', input.eval, '-o', at('eval.jsonl'), ...flags.eval]))
const done: Record<string, Promise<unknown>> = { caption: captioned, reason: reasoned, eval: evaluated }

test('rows in order; a picture that is not there is one error row', async () => {
  const { code, stderr } = await captioned
  assert.is(stderr, '')
  assert.is(code, 3)
  const rows = read('caption.jsonl')
  const expected = problems.flatMap(({ id }) => (id === 'p5' ? ['p5 error'] : [0, 1, 2].map(k => `${id} ${k}`)))
  assert.equal(
    rows.map(row => `${row.id} ${row.error ? 'error' : (row.caption as { index: number }).index}`),
    expected,
  )
  assert.match((rows[15].error as { message: string }).message, /no file .*none\.png/)
  const texts = new Set(rows.map(row => JSON.stringify(row.caption)))
  assert.ok(texts.size > count, 'captions of one picture differ')
})

test('reason: N rows a caption; the error row passes', async () => {
  const { code, stderr } = await reasoned
  assert.is(stderr, '')
  assert.is(code, 3)
  const rows = read('reason.jsonl')
  assert.is(rows.length, (count - 1) * 3 * 2 + 1)
  assert.is((rows[30].error as { stage: string }).stage, 'caption')
})

for (const stage of ['caption', 'reason', 'eval']) {
  test(`${stage}: kill -9, --resume, the same bytes`, async () => {
    await done[stage]
    const results = () => [JSON.parse(readFileSync(at('result.json'), 'utf8')).sophia, read('samples.jsonl')]
    const whole = stage === 'eval' && results()
    const text = readFileSync(input[stage])
    const out = at(`${stage}-cut.jsonl`)
    const child = start([stage, '-', '-o', out, ...flags[stage]])
    const end = ended(child)
    child.stdin?.on('error', () => {})
    child.stdin?.write(text.subarray(0, text.length * 0.75)) // and no end: it cannot finish before it is killed
    const size = () => statSync(`${out}.part`, { throwIfNoEntry: false })?.size ?? 0
    for (let i = 0; i < 1500 && size() === 0; i++) await new Promise(done => setTimeout(done, 20))
    child.kill('SIGKILL')
    const cut = await end
    assert.is(cut.signal, 'SIGKILL', cut.stderr)
    assert.ok(size() > 0)
    const resumed = await sophia([stage, input[stage], '-o', out, '--resume', ...flags[stage]])
    assert.is(resumed.code, 3)
    assert.ok(readFileSync(out).equals(readFileSync(at(`${stage}.jsonl`))))
    if (whole) assert.equal(results(), whole, 'the result of the whole')
  })
}

test('eval: a judged response a sample, and a result that counts them', async () => {
  await evaluated
  const rows = read('eval.jsonl')
  assert.is(rows.length, (count - 1) * 2 + 1)
  const right = rows.filter(row => (row.response as Response | undefined)?.verdict.reward).length
  const { results, sophia: result } = JSON.parse(readFileSync(at('result.json'), 'utf8'))
  assert.equal([result.n, result.errors, result.unanswered, result.samples], [count, 1, 1, 2])
  assert.is(result.accuracy, Math.round((1e6 * right) / (2 * count)) / 1e4) // the failed one is a wrong one
  assert.is(results.problems['acc,none'], result.accuracy / 100)
  const samples = read('samples.jsonl')
  assert.is(samples.length, count - 1)
  assert.equal(
    samples.flatMap(sample => (sample.resps as string[][])[0]),
    rows.filter(row => !row.error).map(row => (row.response as Response).text),
  )
})

test('shards and batch sizes do not change the draws', async () => {
  await captioned
  const shards = await Promise.all(
    ['1/2', '2/2'].map(shard => sophia(['caption', input.caption, '--shard', shard, ...flags.caption])),
  )
  const rows = shards.flatMap(({ stdout }) => rowsOf(stdout))
  const key = (row: Row) => `${row.id} ${(row.caption as { index: number } | undefined)?.index}`
  const text = (row: Row) => (row.caption as { text: string } | undefined)?.text
  const whole = new Map(read('caption.jsonl').map(row => [key(row), text(row)]))
  assert.is(rows.length, whole.size)
  // Other batches may round differently, and then, rarely, draw another token: nearly all have to agree.
  const same = rows.filter(row => whole.get(key(row)) === text(row)).length
  assert.ok(same >= 0.95 * rows.length, `${same} of ${rows.length} agree`)
})

test('caption | head -1 ends at once with 0', async () => {
  const args = ['caption', input.caption, ...flags.caption].join(' ')
  const { stdout, stderr } = await shell(`$SOPHIA ${args} | head -1; echo $PIPESTATUS`, dir)
  const [row, code] = stdout.trim().split('\n')
  assert.is(JSON.parse(row).id, 'p0')
  assert.is(code, '0')
  assert.is(stderr, '')
})

test('a model that is not there is told before anything is written', async () => {
  const { code, stderr, stdout } = await sophia(['caption', input.caption, '--model', at('no-model')])
  assert.is(code, 1, stderr)
  assert.match(stderr, /no-model/)
  assert.not.match(stderr, /\n\s+at /)
  assert.is(stdout, '')
})

test.run()

function read(name: string): Row[] {
  return rowsOf(readFileSync(at(name), 'utf8'))
}
