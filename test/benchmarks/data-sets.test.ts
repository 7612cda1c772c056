/** The readers on data sets as the Hub has them, against the problems that the script which wrote them says are in them. */
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BenchmarkName, benchmarks, openBenchmark, problemsOf } from '../../src/benchmarks/index.ts'
import { loadImages } from '../../src/io/images.ts'
import type { Row } from '../../src/io/row.ts'
import { unzip } from '../../src/io/zip.ts'
import { root, temporary } from '../processes/sophia.ts'

const test = suite('benchmarks: data sets of the Hub')
const dir = temporary()
const golden = join(root, 'fixtures/golden/benchmarks')
const expected = (name: string): Row[] => JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8'))

/** The problems as JSON, each picture as its SHA-256. */
async function problems(name: BenchmarkName, path: string): Promise<Row[]> {
  const source = openBenchmark(benchmarks[name], path)
  const rows: Row[] = []
  for await (const batch of source.batches()) {
    for (const row of batch) {
      const images = await loadImages(row, source)
      rows.push({ ...row, images: images.map(image => createHash('sha256').update(image).digest('hex')) })
    }
  }
  return JSON.parse(JSON.stringify(rows))
}

for (const name of ['dynamath', 'mathvision', 'olympiadbench'] as const) {
  test(`${name}: every problem of the split, and none besides`, async () => {
    assert.equal(await problems(name, join(golden, name)), expected(name))
  })
}

test('dynamath: variants in the order of their numbers; ids are unique, groups are seeds', async () => {
  const rows = await problems('dynamath', join(golden, 'dynamath'))
  assert.equal([...new Set(rows.map(row => row.variant))], [1, 2, 10])
  assert.is(new Set(rows.map(row => row.id)).size, 12)
  const third = rows.filter(row => row.group === '3')
  assert.equal(
    third.map(row => row.id),
    ['3/1', '3/2', '3/10'],
  )
  // one file alone is one variant
  const file = join(golden, 'dynamath/data/sample10-00000-of-00010.parquet')
  assert.equal(await problems('dynamath', file), expected('dynamath').slice(8))
})

test("dynamath: the official repository's files, an object by id, without a variant or with one", async () => {
  const item = {
    question: 'How many?',
    answer: '3',
    image: 'image/image1.png',
    answer_type: 'float',
    subject: 'algebra',
    level: 'high school',
  }
  const picture = readFileSync(join(root, 'fixtures/golden/models/llava/picture0.png'))
  for (const folder of ['DynaMath/dataset', 'trials/trial2', 'trials/trial10']) {
    put(`${folder}/dataset.json`, JSON.stringify({ 1: item, 7: { ...item, answer_type: 'text' } }))
    put(`${folder}/image/image1.png`, picture)
  }
  const [one] = await problems('dynamath', join(dir, 'DynaMath'))
  assert.is(one.id, '1')
  assert.is(one.group, '1')
  assert.is(one.variant, undefined)
  assert.is(one.answer, '3')
  assert.is(one.level, 'high school')
  assert.equal(one.images, [createHash('sha256').update(picture).digest('hex')])
  assert.equal(
    (await problems('dynamath', join(dir, 'trials'))).map(row => row.id),
    ['1/2', '7/2', '1/10', '7/10'],
  )
})

test('mv-math: one JSON file, pictures unpacked beside it or above it; or Parquet with them inside', async () => {
  const folder = join(dir, 'mv')
  await unzip(join(golden, 'mv-math/images.zip'), folder, name => `images/${name.split('/').at(-1)}`)
  cpSync(join(golden, 'mv-math/MV-MATH.json'), join(folder, 'data/MV-MATH.json'))
  put('mv/data/MV-MATH-choice.json', '[]') // a part of the whole
  put('mv/data/caption-example.json', '[{}]')
  assert.equal(await problems('mv-math', folder), expected('mv-math'))
  assert.equal(await problems('mv-math', join(folder, 'data/MV-MATH.json')), expected('mv-math'))
  assert.equal(await problems('mv-math', join(golden, 'mv-math-parquet')), expected('mv-math'))
})

test('mv-math: the three parts make the whole', () => {
  const names = ['choice', 'freeform', 'multistep'].map(part => `data/MV-MATH-${part}.json`)
  assert.equal(benchmarks['mv-math'].files([...names, 'data/merge-example.json', 'outputs/example_qwen.json']), names)
  assert.equal(benchmarks['mv-math'].files(['data/MV-MATH_testmini.json']), [])
})

test('mv-math: the forms of an answer, as the official file parts them', () => {
  const gold = (answer: string) => benchmarks['mv-math'].problem({ answer, answer_type: 'single-step' }, '')?.answer
  assert.equal(gold('$0.5 \\# \\# \\frac{1}{2}$'), ['0.5', '\\frac{1}{2}'])
  assert.equal(gold('$10$ m\\#\\# $10 \\mathrm{~m}$'), ['$10$ m', '$10 \\mathrm{~m}$'])
  assert.is(gold('$15^{\\circ} / 15$ ^{\\circ}$'), '15^{\\circ}')
  assert.is(gold('$3 / 4$'), '$3 / 4$')
  assert.is(gold('2 or 8'), '2 or 8')
})

test('what is no list of items is told', async () => {
  put('odd.json', '{"1": 3}')
  try {
    await problemsOf(openBenchmark(benchmarks.dynamath, join(dir, 'odd.json')))
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /expected a JSON array of items, or an object of them by id/)
  }
})

test('prompts ask for the form that the judges read', async () => {
  const ask = (name: BenchmarkName, answer_type: string) => benchmarks[name].prompt({ answer_type })
  assert.match(ask('dynamath', 'float'), /\\boxed\{\}: a floating-point number with three digits/)
  assert.match(ask('dynamath', 'multiple choice'), /\\boxed\{\}: the letter of the choice alone/)
  assert.match(ask('dynamath', 'text'), /in the form that the question asks for/)
  assert.match(ask('mv-math', 'choice'), /its letter, A, B, C or D, in \\boxed\{\}/)
  assert.match(ask('mv-math', 'multi-step'), /"\(1\) \\boxed\{…\}"/)
  assert.match(ask('mv-math', 'single-step'), /the final answer in \\boxed\{\}/)
  for (const name of ['dynamath', 'mv-math'] as const) assert.match(ask(name, 'choice'), /\{question\}/)
})

test('zip: what would leave the folder stays out; a broken archive is told', async () => {
  await unzip(join(golden, 'mv-math/images.zip'), join(dir, 'a/b'), name => name)
  assert.equal(readdirSync(join(dir, 'a')), ['b'])
  const bytes = readFileSync(join(golden, 'mv-math/images.zip'))
  for (const [name, held] of Object.entries({ cut: bytes.subarray(0, 400), text: Buffer.from('no archive') })) {
    const path = put(`${name}.zip`, held)
    const message = await unzip(path, join(dir, 'c'), entry => entry).then(
      () => '',
      (error: Error) => `${error.name}: ${error.message}`,
    )
    assert.match(message, /^UserError: .*expected a whole zip archive/)
  }
})

function put(name: string, content: string | Uint8Array): string {
  const path = join(dir, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

test.run()
