/** eval report as a process: from the tiny policy's responses, from a pipe, and what it says when it cannot. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { read, tags } from '../sophia/report/page.ts'
import { linesOf, sophia, temporary } from './sophia.ts'

const test = suite('eval report')
const dir = temporary()
const at = (name: string) => join(dir, name)
const saved = [
  { id: 'a', question: '1+1?', answer: '2', subject: 'sums', response: '<think>One</think>\\boxed{2}' },
  { id: 'b', question: '1+2?', answer: '3', subject: 'more sums', response: '\\boxed{4}' },
]
const raw = linesOf(saved)

test('what the tiny policy answered, with its pictures', async () => {
  const model = ['--model', 'fixtures/policy', '--device', 'cpu', '--max-tokens', '16', '--limit', '3', '-q']
  await sophia(['eval', 'fixtures/world/test.parquet', ...model, '--samples', '2', '-o', at('responses.parquet')])
  const { code, stdout, stderr } = await sophia(['eval', 'report', at('responses.parquet'), '-o', at('report.html')])
  assert.is(code, 0, stderr)
  assert.is(stdout, '')
  assert.match(stderr, /report\.html: 3 problems, 6 responses, 3 pictures · 0\.\d MB\n$/)
  assert.not.ok(existsSync(at('report.html.part')))
  const { blocks, markup } = read(readFileSync(at('report.html'), 'utf8'))
  tags(markup)
  assert.match(String(blocks.get('picture-2')), /^data:image\/webp;base64,UklGR/)
  assert.equal((blocks.get('problem-2') as { pictures: number[] }).pictures, [2])
  assert.match(markup, '<dd>3</dd>')
})

test('judged and reported in a pipe; the page on standard output', async () => {
  const judged = await sophia(['eval', '--responses', '-', '-q'], raw)
  const { code, stdout, stderr } = await sophia(['eval', 'report', '-q', '-o', '-', '--only', 'wrong'], judged.stdout)
  assert.is(stderr, '')
  assert.is(code, 0)
  const { blocks, markup } = read(stdout)
  assert.equal(
    (blocks.get('index') as { items: { id: string }[] }).items.map(({ id }) => id),
    ['b'],
  )
  assert.match(markup, '<strong>50.0<small>')
  assert.ok(stdout.endsWith('</html>\n'))
})

test('what cannot be done leaves everything as it was', async () => {
  writeFileSync(at('old.html'), 'old')
  mkdirSync(at('folder'))
  const out = ['-o', at('old.html')]
  const cases: [string[], string, number, RegExp][] = [
    [out, raw, 1, /^sophia eval report: stdin: expected rows of eval, .*got 2 rows without one.*--responses FILE\n$/],
    [out, `${raw}torn`, 1, /stdin:3/],
    [[at('none.jsonl'), ...out], '', 1, /none\.jsonl: no such file/],
    [[...out, '--only', 'true'], '', 2, /--only=true to be one of: right, wrong[\s\S]*sophia eval report --help/],
    [['-o', at('folder')], '', 2, /expected a file to write, got a folder/],
    [['-o', at('no/report.html')], '', 1, /cannot write .*no\/report\.html\.part/],
  ]
  for (const [args, input, exitCode, message] of cases) {
    const { code, stderr } = await sophia(['eval', 'report', '-q', ...args], input)
    assert.match(stderr, message)
    assert.is(code, exitCode)
  }
  assert.is(readFileSync(at('old.html'), 'utf8'), 'old')
  assert.not.ok(existsSync(at('old.html.part')))
})

test('a picture that is missing is told, and the page is made', async () => {
  const row = { ...saved[0], images: ['none.png'] }
  const judged = await sophia(['eval', '--responses', '-', '-q'], `${JSON.stringify(row)}\n`)
  const { code, stderr } = await sophia(['eval', 'report', '-o', at('gap.html')], judged.stdout)
  assert.is(code, 0)
  assert.match(stderr, /^1 picture could not be embedded: image: no file none\.png.*--images DIR/m)
  assert.match(
    String((read(readFileSync(at('gap.html'), 'utf8')).blocks.get('problem-0') as { pictures: string[] }).pictures[0]),
    'no file',
  )
})

test.run()
