/**
 * MMMU, MMMU-Pro, MathVista and MathVerse: Parquet as the Hub has it (written by Hugging Face's own library) against the
 * problems that the same script wrote down; the official repositories' JSON; what models are asked.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Benchmark, type BenchmarkName, benchmarks, openBenchmark } from '../../src/benchmarks/index.ts'
import type { Row } from '../../src/io/row.ts'
import { fill } from '../../src/sophia/prompts.ts'
import { temporary } from '../processes/sophia.ts'

const test = suite('exams')
const folder = 'fixtures/golden/benchmarks'
const expected: Record<string, Row[]> = JSON.parse(readFileSync(`${folder}/problems.json`, 'utf8'))
const dir = temporary()

async function read(name: BenchmarkName, path: string): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of openBenchmark(benchmarks[name], path).batches()) rows.push(...batch)
  return rows
}

/** The row as JSON keeps it, pictures as the SHA-256 of their bytes. */
function bare(row: Row): Row {
  const images = (row.images as { bytes: Uint8Array }[] | undefined)?.map(({ bytes }) =>
    createHash('sha256').update(bytes).digest('hex'),
  )
  return JSON.parse(JSON.stringify(images ? { ...row, images } : row))
}

const asked = (name: BenchmarkName, row: Row) => fill((benchmarks[name] as Benchmark).prompt(row), row)

for (const name of Object.keys(expected) as BenchmarkName[])
  test(`${name}: the problems of the Hub's Parquet, of the split that papers report`, async () => {
    assert.equal((await read(name, `${folder}/${name}`)).map(bare), expected[name])
  })

test('mmmu: one subject, pictures as options, golds that are a list', async () => {
  const file = `${folder}/mmmu/Art/validation-00000-of-00001.parquet`
  const [pictured, tricky] = await read('mmmu', file)
  assert.is(
    asked('mmmu', pictured),
    '<image 1> shows a figure. Which picture continues it? Look at <image 1> again.\n(A) <image 2>\n(B) <image 3>\n' +
      '(C) neither\n\nAnswer with the letter of the right option, one of those given.',
  )
  assert.match(asked('mmmu', tricky), /\(A\) Ada's\n\(B\) the 'same' "one"\n\(C\) \$\\frac\{1\}\{2\}\$\n\(D\) café ½\n/)
  const [open] = await read('mmmu', `${folder}/mmmu/Physics`)
  assert.is(
    asked('mmmu', open),
    'How tall is the bar in <image 1>, in metres?\n\nAnswer with a single word, number or phrase.',
  )
  assert.is((await read('mmmu', `${folder}/mmmu/Art/test-00000-of-00001.parquet`)).length, 0)
})

test('mmmu-pro: nothing of the question or the options is in the text', async () => {
  const [row] = await read('mmmu-pro', `${folder}/mmmu-pro/vision`)
  assert.is(
    asked('mmmu-pro', row),
    'The image holds a multiple-choice question with its options. Write the question out, think it through step by ' +
      'step and solve it. Let the last line be "Answer: LETTER", where LETTER is the letter of the right option.',
  )
  const standard = `${folder}/mmmu-pro/standard (10 options)`
  const error = await read('mmmu-pro', standard).catch((e: Error) => e)
  assert.match(String(error), /expected items of the vision setting, which have image, got those with image_1/)
})

test("mathvista and mathverse: the items' own queries, options once", async () => {
  const [, , , choice] = await read('mathvista', `${folder}/mathvista`)
  assert.is(asked('mathvista', choice), choice.question)
  assert.is(String(choice.question).split('60°').length, 2)
  const [verse] = await read('mathverse', `${folder}/mathverse`)
  assert.is(asked('mathverse', verse), 'The question is in the image: reason, then give a letter.')
})

test("mathvista: the official repository's testmini.json, an object by pid without queries", async () => {
  const item = {
    question: 'What is its area?',
    image: 'images/7.jpg',
    choices: null,
    unit: 'cm',
    precision: 2,
    answer: '3.25',
    question_type: 'free_form',
    answer_type: 'float',
    pid: '7',
    metadata: { language: 'persian', task: 'figure question answering', grade: 'college' },
  }
  const options = { unit: null, precision: null, question_type: 'multi_choice', answer_type: 'text', answer: 'no' }
  put('MathVista/data/testmini.json', {
    7: item,
    8: { ...item, ...options, choices: ['yes', 'no'], pid: '8' },
    9: { ...item, answer_type: 'integer', pid: '9' },
    10: { ...item, answer_type: 'list', unit: null, pid: '10' },
  })
  put('MathVista/data/test.json', { 1001: { ...item, answer: '' } })
  put('MathVista/data/images/7.jpg', 'a picture')
  const source = openBenchmark(benchmarks.mathvista, join(dir, 'MathVista'))
  assert.is(source.folder, join(dir, 'MathVista/data'))
  const rows = await read('mathvista', join(dir, 'MathVista'))
  assert.equal(
    rows.map(row => [row.id, row.images, row.language, row.precision]),
    ['7', '8', '9', '10'].map((id, i) => [id, ['images/7.jpg'], 'fa', i === 1 ? undefined : 2]),
  )
  assert.equal(
    rows.map(row => asked('mathvista', row)),
    [
      'Hint: answer the question with a decimal number of 2 decimal places and give the value, e.g. 1.23, at the end.\nQuestion: What is its area? (Unit: cm)',
      'Hint: answer the question and give the letter of the right option, e.g. A, B, C or D, at the end.\nQuestion: What is its area?\nChoices:\n(A) yes\n(B) no',
      'Hint: answer the question with an integer and give the value, e.g. 1, 2 or 3, at the end.\nQuestion: What is its area? (Unit: cm)',
      'Hint: answer the question with a Python list and give the list, e.g. [1, 2, 3], at the end.\nQuestion: What is its area?',
    ],
  )
})

test("mathverse: the official repository's testmini.json; Parquet goes first where both are there", async () => {
  const item = {
    sample_index: '5',
    problem_version: 'Vision Only',
    question: '',
    image: 'images_version_5/image_1.png',
    answer: 'D',
    question_type: 'multi-choice',
    metadata: { subject: 'Functions', subfield: 'Property' },
    question_for_eval: 'Which?\nChoices:\n(A) one\n(B) two\n(D) four',
  }
  put('MathVerse/testmini.json', [item, { ...item, problem_version: 'Text Lite', sample_index: '2' }])
  const [row, ...more] = await read('mathverse', join(dir, 'MathVerse'))
  assert.is(more.length, 0)
  assert.equal(row.images, ['images/images_version_5/image_1.png'])
  assert.is(row.options, undefined) // (C) is missing: nobody knows what D is
  assert.match(asked('mathverse', row), /^The image holds the question\. .* letter of the right option/)
  const names = ['testmini.json', 'testmini.parquet', 'testmini_text_only.parquet', 'images/testmini.png']
  assert.equal(benchmarks.mathverse.files(names), ['testmini.parquet'])
})

test.run()

function put(name: string, held: unknown): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true })
  writeFileSync(join(dir, name), JSON.stringify(held))
}
