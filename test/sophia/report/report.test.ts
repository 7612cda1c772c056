/** The report: hostile text stays text, pictures are in it once, plots show what the rows say. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSource } from '../../../src/io/source.ts'
import type { Item, Part, Shown } from '../../../src/sophia/report/data.ts'
import { PageFile } from '../../../src/sophia/report/file.ts'
import { type Reported, type ReportOptions, writeReport } from '../../../src/sophia/report/report.ts'
import type { Row } from '../../../src/sophia/rows.ts'
import { temporary } from '../../processes/sophia.ts'
import { type Page, read, type Tag, tags } from './page.ts'

const test = suite('report')
const dir = temporary()

async function made(
  rows: Row[],
  options: Partial<ReportOptions> = {},
): Promise<Page & { tags: Tag[]; told: Reported }> {
  writeFileSync(join(dir, 'rows.jsonl'), rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  const page = await PageFile.open(join(dir, 'report.html'))
  const told = await writeReport(openSource(join(dir, 'rows.jsonl')), page, { folder: dir, ...options })
  await page.finish()
  const html = readFileSync(join(dir, 'report.html'), 'utf8')
  assert.is(Buffer.byteLength(html), page.bytes)
  const parts = read(html)
  return { ...parts, tags: tags(parts.markup), told }
}

const answered = (id: unknown, reward: 0 | 1, text = 'It is \\boxed{1}.', more: Row = {}): Row => ({
  id,
  question: 'How many?',
  answer: '1',
  ...more,
  response: {
    index: 0,
    tokens: 10,
    finish: 'stop',
    model: 'm',
    ...{ text, verdict: { reward, answer: '1', reason: reward ? 'right' : 'wrong' } },
    ...(more.response as object),
  },
})
const itemsOf = (page: Page) => (page.blocks.get('index') as { items: Item[] }).items

const HOSTILE = [
  '</script><script>alert(1)</script>',
  '<!--<script>',
  '</ScRiPt \n><img src=x onerror=alert(1)>',
  '</style></div></body></html>',
  '"><svg/onload=alert(1)>',
  "' onmouseover='alert(1)",
  '$\u007balert(1)}`$\u007balert(2)}`',
  '\u0000\u0001\b\u001b[31m\u007f\u0085',
  '\ud800 alone, \udc00 alone',
  '\u2028\u2029\ufeff\ufffe\uffff',
  '\r\n a \r b \t',
  '\u202eright to left',
  '__proto__',
  ']]>\\u003c\\',
]

test('hostile text is data wherever it stands', async () => {
  const rows = HOSTILE.map((text, i) => ({
    ...answered(`${i}${text}`, 1, `<think>${text}</think>${text}`, { subject: text, level: i, source: text }),
    question: text,
    options: [text, text],
    answer: text,
    solution: text,
    images: [text],
    response: {
      index: i,
      text: `<think>a${text}b</think>c${text}`,
      tokens: 3,
      finish: 'stop',
      model: text,
      verdict: { reward: 1, answer: text, reason: text },
    },
  }))
  const page = await made([...rows, { id: 'e', error: { stage: 'eval', code: HOSTILE[0], message: HOSTILE[2] } }])
  assert.is(page.code.length, 1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.not.match(readFileSync(join(dir, 'report.html'), 'utf8'), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  const names = new Set(page.tags.map(({ name }) => name))
  for (const name of ['img', 'iframe', 'object', 'link', 'base', 'script']) assert.not.ok(names.has(name), name)
  for (const { name, attributes } of page.tags)
    for (const key of attributes.keys()) assert.not.match(key, /^on|^src$|^href$|^action$/, `${name} ${key}`)
  for (const [i, text] of HOSTILE.entries()) {
    const problem = page.blocks.get(`problem-${i}`) as Shown
    assert.equal([problem.question, problem.gold, problem.solution, ...problem.options], Array(5).fill(text))
    const parts = page.blocks.get(`response-${i}`) as Part[]
    assert.equal(parts, [
      { kind: 'thought', text: `a${text}b` },
      { kind: 'text', text: `c${text}`.trim() },
    ])
    const [item] = itemsOf(page).filter(({ block }) => block === i)
    assert.is(item.id, `${i}${text}`)
    assert.is(item.responses[0].reason, text)
  }
  assert.match(itemsOf(page)[HOSTILE.length].errors[0], '</ScRiPt')
})

test('one script, which the policy names and which never writes HTML', async () => {
  const { code, tags } = await made([answered('a', 1)])
  new Script(code[0]) // parses
  assert.not.match(code[0], /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|fetch\(|import\(/)
  const policy = tags.find(({ attributes }) => attributes.get('http-equiv'))?.attributes.get('content') ?? ''
  assert.match(policy, "default-src 'none'; img-src data:;")
  assert.match(policy, `script-src 'sha256-${createHash('sha256').update(code[0]).digest('base64')}';`)
})

test('nothing is asked of the network', async () => {
  await made([answered('a', 1)])
  assert.not.match(readFileSync(join(dir, 'report.html'), 'utf8'), /https?:|@import|url\(|\/\/[a-z]+\.[a-z]/i)
})

test('a thought that never closes comes after what was before it; other text is left alone', async () => {
  const page = await made([
    answered('a', 0, 'So:\n<think>one\n'),
    answered('b', 1, ' plain\n'),
    answered('c', 1, 'x</think>\n'),
  ])
  assert.equal(page.blocks.get('response-0'), [
    { kind: 'text', text: 'So:' },
    { kind: 'thought', text: 'one', open: true },
  ])
  assert.equal(page.blocks.get('response-1'), [{ kind: 'text', text: ' plain\n' }])
  assert.equal(page.blocks.get('response-2'), [{ kind: 'thought', text: 'x' }])
})

test('each distinct picture is embedded once, small; one that is missing says why', async () => {
  const draw = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#3060c0' } })
      .png()
      .toBuffer()
  const [wide, small] = [await draw(2000, 500), await draw(40, 30)]
  writeFileSync(join(dir, 'wide.png'), wide)
  const uri = `data:image/png;base64,${wide.toString('base64')}`
  const page = await made([
    answered('a', 1, 'x', { images: ['wide.png', { bytes: small.toString('base64'), path: null }] }),
    answered('b', 1, 'x', { image: uri }),
    answered('c', 1, 'x', {
      images: ['none.png', { bytes: Buffer.from('no picture').toString('base64'), path: null }],
    }),
  ])
  const pictures = [...page.blocks.keys()].filter(id => id.startsWith('picture-'))
  assert.equal(pictures, ['picture-0', 'picture-1'])
  const shown = [0, 1, 2].map(i => (page.blocks.get(`problem-${i}`) as Shown).pictures)
  assert.equal(shown.slice(0, 2), [[0, 1], [0]])
  assert.match(String(shown[2][0]), /no file .*none\.png.*--images/)
  assert.type(shown[2][1], 'string')
  assert.is(page.told.pictures, 2)
  assert.is(page.told.missing.length, 2)
  const sizes = await Promise.all(
    pictures.map(id => sharp(Buffer.from(String(page.blocks.get(id)).split(',')[1], 'base64')).metadata()),
  )
  assert.equal(
    sizes.map(({ width, height, format }) => [width, height, format]),
    [
      [640, 160, 'webp'],
      [40, 30, 'webp'],
    ],
  )
  const [, tiny] = pictures.map(id => Buffer.from(String(page.blocks.get(id)).split(',')[1], 'base64'))
  assert.equal((await sharp(tiny).removeAlpha().raw().toBuffer()).subarray(0, 3), Buffer.from([0x30, 0x60, 0xc0]))
})

test('samples of a problem stand together, wherever their rows are', async () => {
  const page = await made([
    answered('a', 1, 'first'),
    answered('b', 0),
    answered('a', 0, 'second', { response: { index: 1 } }),
    { id: 'c', question: 'x', error: { stage: 'eval', code: 'image', message: 'none' } },
  ])
  const [a, b, c] = itemsOf(page)
  assert.equal([a.right, a.samples, a.responses.map(({ index }) => index)], [1, 2, [0, 1]])
  assert.equal(page.blocks.get(`response-${a.responses[1].block}`), [{ kind: 'text', text: 'second' }])
  assert.equal([b.right, b.samples, c.samples, c.errors], [0, 1, 0, ['eval: image: none']])
})

test('only and limit bound what is embedded, not what is counted', async () => {
  const rows = [answered('a', 1), answered('b', 0), answered('c', 1), answered('b', 1), answered('d', 0)]
  const wrong = await made(rows, { only: 'wrong' })
  assert.equal(
    itemsOf(wrong).map(({ id, right, samples, responses }) => [id, right, samples, responses.length]),
    [
      ['b', 1, 2, 1],
      ['d', 0, 1, 1],
    ],
  )
  assert.match(wrong.markup, '2 of 4 problems are in this file')
  assert.match(wrong.markup, '<strong>62.5<small>')
  const first = await made(rows, { limit: 2 })
  assert.equal(
    itemsOf(first).map(({ id, responses }) => [id, responses.length]),
    [
      ['a', 1],
      ['b', 2],
    ],
  )
  assert.match(first.markup, '<strong>62.5<small>')
})

test('rows without judged responses are no input', async () => {
  for (const [rows, came] of [
    [[], /no rows/],
    [[{ id: 'a', question: 'x', answer: 1 }], /1 rows without one.*sophia eval --responses/],
    [
      [
        { id: 'a', response: 'raw' },
        { id: 'b', response: { text: 'raw', verdict: 'right' } },
      ],
      /2 rows without one/,
    ],
  ] as [Row[], RegExp][]) {
    const message = await made(rows).then(
      () => '',
      (error: Error) => `${error.name} ${error.message}`,
    )
    assert.match(message, /^UserError .*rows\.jsonl: expected rows of eval/)
    assert.match(message, came)
  }
})

test.run()
