/** `sophia check overlap` as it is run: several benchmarks, what is written, resuming, errors, memory. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linesOf, root, rowsOf, sophia, temporary } from './sophia.ts'

const test = suite('check overlap')
const dir = temporary()
const at = (name: string, rows?: object[]) => {
  const path = join(dir, name)
  if (rows) writeFileSync(path, linesOf(rows))
  return path
}
const run = (...args: string[]) =>
  sophia(['check', 'overlap', ...args], '', { HF_HUB_OFFLINE: '1', SOPHIA_CACHE: '/nonexistent' })

const pictures = join(root, 'fixtures/golden/overlap')
const boats = 'Meike paddles around five buoys with her boat (see diagram). Which buoys does she leave to her left?'
const bees =
  'A bee walks from cell to cell of a comb and never visits a cell twice. How many cells can it visit at most?'
const train = at('train.jsonl', [
  { id: 'a', question: `${bees}\nA. 16\nB. 17`, x: 1.5 },
  { id: 'b', question: 'How many apples does Ben have?' },
  { id: 'c', messages: [{ role: 'user', content: `<image>\nLook well. ${boats}` }], images: ['triangle.png'] },
  { id: 'd', question: 'How long is the spoke?', images: ['wheel.png'] },
])
const mathvision = at('testmini.jsonl', [
  { id: '7', question: `${boats}\n<image1>`, options: ['A', 'B'], answer: 'A', level: 2, subject: 'x', image: 'wheel.png' },
]) // biome-ignore format: one row
const olympiad = join(dir, 'OE_TO_maths_en_COMP.json')
writeFileSync(olympiad, JSON.stringify([{ id: 31, question: bees, final_answer: ['18'], answer_type: 'Numerical' }]))
for (const name of ['triangle.png', 'wheel.png']) writeFileSync(at(name), readFileSync(join(pictures, name)))

test('rows get their key, the others stay; the summary counts by kind', async () => {
  const { code, stdout, stderr } = await run(train, `mathvision=${mathvision}`, `olympiadbench=${olympiad}`)
  assert.is(code, 0, stderr)
  assert.match(stderr, /3 of 4 rows overlap: 1 exact, 1 by n-grams, 1 by a picture alone\n$/)
  const rows = rowsOf(stdout)
  assert.equal(rows[0], {
    id: 'a',
    question: `${bees}\nA. 16\nB. 17`,
    x: 1.5,
    overlap: { kind: 'exact', benchmark: 'olympiadbench', id: '31', score: 1, also: [] },
  })
  assert.is(rows[1].overlap, null)
  assert.equal(rows[2].overlap, { kind: 'ngram', benchmark: 'mathvision', id: '7', score: 1, also: [] })
  assert.equal(rows[3].overlap, { kind: 'image', benchmark: 'mathvision', id: '7', score: 1, also: [] })
})

test('--only, standard input, a file of rows as the benchmark', async () => {
  const benchmark = at('held.jsonl', [{ id: 1, question: bees }])
  const [clean, overlapping] = await Promise.all(
    ['clean', 'overlapping'].map(only =>
      sophia(['check', 'overlap', '-', benchmark, '--only', only, '--by', 'text'], readFileSync(train, 'utf8')),
    ),
  )
  const ids = (text: string) => rowsOf(text).map(row => row.id)
  assert.equal([ids(clean.stdout), ids(overlapping.stdout)], [['b', 'c', 'd'], ['a']])
  assert.match(clean.stderr, /1 of 4 rows overlap/)
  assert.equal(rowsOf<{ overlap: { benchmark: string } }>(overlapping.stdout)[0].overlap.benchmark, benchmark)
})

const text = (i: number) =>
  `Problem ${i} of the book: how many of the ${i * 37} lamps in row ${i * i} are lit by ${i % 7}?`
const many = Array.from({ length: 4000 }, (_, i) => ({ id: `t${i}`, question: i % 3 ? `Row ${i} says no.` : text(i) }))
const asked = Array.from({ length: 100 }, (_, i) => ({ id: i, question: text(30 * i) }))

test('--resume with rows that were not written: the same bytes, wherever it was cut', async () => {
  const [rows, benchmark] = [at('many.jsonl', many), at('asked.jsonl', asked)]
  const wholes = await Promise.all(
    ['clean', 'overlapping'].map(async only => {
      const out = at(`${only}.jsonl`)
      await run(rows, benchmark, '-q', '--only', only, '-o', out)
      return [only, readFileSync(out, 'utf8')] as const
    }),
  )
  assert.ok(wholes.every(([, whole]) => whole.split('\n').length > 90))
  const made = await Promise.all(
    wholes.flatMap(([only, whole]) =>
      [0, 0.3, 0.77, 1].map(async (share, i) => {
        const out = at(`${only}-${i}.jsonl`)
        writeFileSync(`${out}.part`, whole.slice(0, Math.floor(share * whole.length)))
        const { code, stderr } = await run(rows, benchmark, '-q', '--only', only, '-o', out, '--resume')
        return code === 0 && stderr === '' && readFileSync(out, 'utf8') === whole && !existsSync(`${out}.part`)
      }),
    ),
  )
  assert.equal(
    made,
    made.map(() => true),
  )
})

test('--resume of a journal from another input is refused', async () => {
  const [rows, benchmark] = [at('many.jsonl', many), at('asked.jsonl', asked)]
  const out = at('foreign.jsonl')
  writeFileSync(`${out}.part`, '{"id":"else","question":"?","overlap":null}\n')
  const { code, stderr } = await run(rows, benchmark, '-q', '--only', 'clean', '-o', out, '--resume')
  assert.is(code, 1)
  assert.match(stderr, /more rows than this input gives/)
})

test('shards: each row in one of them', async () => {
  const [rows, benchmark] = [at('many.jsonl', many), at('asked.jsonl', asked)]
  const [whole, ...parts] = await Promise.all(
    [[], ['--shard', '1/2'], ['--shard', '2/2']].map(shard => run(rows, benchmark, '-q', ...shard)),
  )
  const sorted = (...texts: string[]) => texts.join('').split('\n').sort().join('\n')
  assert.is(sorted(...parts.map(part => part.stdout)).trim(), sorted(whole.stdout).trim())
})

test('what goes wrong is told', async () => {
  const broken = at('broken.jsonl', [
    { id: 'a', question: '?', images: ['none.png'] },
    { id: 'b', question: bees },
  ])
  const held = at('held.jsonl', [{ id: 1, question: bees }])
  const unreadable = at('unreadable.jsonl', [{ id: 1, question: bees, images: ['none.png'] }])
  const [row, ...others] = await Promise.all([
    run(broken, held),
    run(train, unreadable),
    run(train, 'mathvision'),
    run(train, `mathvisions=${mathvision}`),
    run(train, '-'),
    run(train),
    run(train, held, '--bogus'),
  ])
  assert.is(row.code, 3)
  assert.match(row.stderr, /1 of 2 rows overlap: 1 exact, .*; 1 not checked\n$/)
  assert.is(rowsOf<{ error: { stage: string } }>(row.stdout)[0].error.stage, 'check overlap')
  const said: [number, RegExp][] = [
    [1, /unreadable\.jsonl, id 1: image: no file .* --by text/],
    [1, /HF_HUB_OFFLINE is set\. mathvision=PATH reads files that you have\. Download MathVision/],
    [2, /mathvisions=.*: expected one of mathvision, .* before =/],
    [2, /BENCHMARK: expected a file, got standard input/],
    [2, /Missing 1 required arg/],
    [2, /Nonexistent flag: --bogus[\s\S]*sophia check overlap --help/],
  ]
  for (const [i, [code, message]] of said.entries()) {
    assert.match(others[i].stderr, message)
    assert.is(others[i].code, code)
    assert.not.match(others[i].stderr, /\n\s+at /)
  }
})

test('200,000 rows in 64 MB of heap', async () => {
  const benchmark = at('asked.jsonl', asked)
  const question =
    'How many of the lamps in the hall are lit when all of the switches on the left have been pressed once? '
  let input = ''
  for (let i = 0; i < 200_000; i++) input += `{"id":${i},"question":"${question}${i}","note":"${'x'.repeat(100)}"}\n`
  const heap = { NODE_OPTIONS: '--max-old-space-size=64' }
  const { code, stderr } = await sophia(['check', 'overlap', '-', benchmark, '--only', 'overlapping'], input, heap)
  assert.is(code, 0, stderr)
  assert.match(stderr, /0 of 200,000 rows overlap/)
})

test.run()
