/** The benchmarks' readers, on tiny files with the schemas of the official repositories and of the Hub's Parquet. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { benchmarks, openBenchmark, problemsOf } from '../../src/benchmarks/index.ts'
import { writeParquet } from '../../src/io/parquet-write.ts'
import { type Row, stringify } from '../../src/io/row.ts'
import { temporary } from '../processes/sophia.ts'

const test = suite('benchmarks')
const dir = temporary()
const { mathvision, olympiadbench } = benchmarks

const counting = {
  id: '4',
  question: 'How many digits?\n<image1>',
  options: [],
  answer: '6',
  solution: null,
  level: 1,
  subject: 'counting',
  image: 'images/4.jpg',
}
const marks = { ...counting, id: '6', options: ['A', 'B', 'C', 'D', 'E'], answer: 'D', image: 'images/6.jpg' }
const open = {
  id: 1613,
  subfield: 'Algebra',
  context: null,
  question: 'Find $n$.',
  solution: ['…'],
  final_answer: ['2'],
  is_multiple_answer: false,
  unit: null,
  answer_type: 'Numerical',
  error: null,
}
const falling = {
  ...open,
  id: 7,
  subfield: 'Mechanics',
  context: 'A stone falls <img_12>.',
  question: 'How fast and how far <img_12> <img_13>?',
  final_answer: ['9.8, $4.9 t^2$'],
  is_multiple_answer: true,
  unit: 'm/s',
  answer_type: 'Numerical,Expression',
  error: '1e-1,1e-2',
}

const lines = (rows: Row[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')
function put(name: string, text: string): string {
  const path = join(dir, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}
async function putParquet(name: string, rows: object[]): Promise<void> {
  await writeParquet(put(`${name}.jsonl.tmp`, rows.map(row => `${stringify(row)}\n`).join('')), join(dir, name))
}
async function problems(name: keyof typeof benchmarks, path: string): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of openBenchmark(benchmarks[name], join(dir, path)).batches()) rows.push(...batch)
  return rows
}

test('mathvision: the full test of a folder, pictures from the folder that holds images/', async () => {
  put('MATH-V/data/test.jsonl', lines([counting, marks]))
  put('MATH-V/data/testmini.jsonl', lines([counting]))
  put('MATH-V/images/4.jpg', '')
  const source = openBenchmark(mathvision, join(dir, 'MATH-V'))
  assert.is(source.folder, join(dir, 'MATH-V'))
  assert.equal(await problems('mathvision', 'MATH-V'), [
    {
      id: '4',
      images: ['images/4.jpg'],
      question: 'How many digits?\n<image1>',
      answer: '6',
      answer_type: 'free',
      subject: 'counting',
      level: 1,
      source: 'mathvision',
      language: 'en',
    },
    {
      id: '6',
      images: ['images/6.jpg'],
      question: 'How many digits?\n<image1>',
      options: ['A', 'B', 'C', 'D', 'E'],
      answer: 'D',
      answer_type: 'choice',
      subject: 'counting',
      level: 1,
      source: 'mathvision',
      language: 'en',
    },
  ])
  assert.is((await problems('mathvision', 'MATH-V/data/testmini.jsonl')).length, 1)
})

test("mathvision: the Hub's Parquet, picture inside", async () => {
  const picture = { bytes: Buffer.from('jpeg'), path: '6.jpg' }
  await putParquet('hub/data/testmini-00000-of-00001.parquet', [{ ...marks, decoded_image: picture }])
  const [row] = await problems('mathvision', 'hub')
  assert.equal(row.options, marks.options)
  assert.is(row.level, 1)
  const [image] = row.images as { bytes: Uint8Array }[]
  assert.is(Buffer.from(image.bytes).toString(), 'jpeg')
})

test('olympiadbench: what the file name says, context before the question, proofs left out', async () => {
  put('OlympiadBench/data/OE_TO_maths_en_COMP.json', JSON.stringify([open, { ...open, id: 7 }]))
  put('OlympiadBench/data/OE_MM_physics_zh_CEE.json', JSON.stringify([falling]))
  put('OlympiadBench/data/TP_TO_maths_en_COMP.json', JSON.stringify([{ ...open, id: 9 }]))
  put('OlympiadBench/images/img_12.jpg', '')
  const source = openBenchmark(olympiadbench, join(dir, 'OlympiadBench'))
  assert.is(source.folder, join(dir, 'OlympiadBench'))
  const rows = await problems('olympiadbench', 'OlympiadBench')
  assert.equal(
    rows.map(row => row.id),
    ['7', '1613', 'OE_TO_maths_en_COMP/7'],
  )
  assert.equal(rows[0], {
    id: '7',
    subset: 'OE_MM_physics_zh_CEE',
    images: ['images/img_12.jpg', 'images/img_13.jpg'],
    question: 'A stone falls <img_12>.\nHow fast and how far <img_12> <img_13>?',
    answer: ['9.8, $4.9 t^2$'],
    answer_type: 'Numerical,Expression',
    is_multiple_answer: true,
    unit: 'm/s',
    tolerance: '1e-1,1e-2',
    subject: 'physics',
    subfield: 'Mechanics',
    level: 'CEE',
    source: 'olympiadbench',
    language: 'zh',
  })
  assert.is(rows[1].language, 'en')
  assert.is(rows[1].tolerance, undefined)
})

test("olympiadbench: the Hub's Parquet says it in columns", async () => {
  const columns = { subject: 'Physics', language: 'English', question_type: 'Open-ended', image_2: null }
  const image_1 = { bytes: Buffer.from('jpeg'), path: null }
  await putParquet('hub/olympiad.parquet', [
    { ...falling, ...columns, image_1 },
    { ...open, ...columns, question_type: 'Theorem proof', image_1: null },
  ])
  const rows = await problems('olympiadbench', 'hub/olympiad.parquet')
  assert.is(rows.length, 1)
  assert.is(rows[0].subject, 'physics')
  assert.is(rows[0].language, 'en')
  assert.is((rows[0].images as unknown[]).length, 1)
})

test('prompts hold what the judges look for', async () => {
  assert.match(mathvision.prompt({}), /\\boxed\{\}[\s\S]*\{question\}\{options\}$/)
  const [physics, maths] = await problems('olympiadbench', 'OlympiadBench')
  const chinese = olympiadbench.prompt(physics)
  for (const part of ['物理', '数值、表达式', '所以最终答案是\\boxed{', '}(单位)'])
    assert.ok(chinese.includes(part), part)
  const english = olympiadbench.prompt(maths)
  for (const part of ['mathematics', 'a numerical value', '"So the final answer is \\boxed{answer}."'])
    assert.ok(english.includes(part), part)
  assert.not.match(english, /unit/)
  assert.not.match(olympiadbench.prompt({ ...maths, answer_type: 'Tuple' }), /Its answer/)
})

test('problems by id, without embedded pictures', async () => {
  const byId = await problemsOf(openBenchmark(mathvision, join(dir, 'MATH-V')))
  assert.equal(byId.get('4')?.images, ['images/4.jpg'])
  const embedded = await problemsOf(openBenchmark(mathvision, join(dir, 'hub')))
  assert.is(embedded.get('6')?.images, undefined)
})

test('what is not there is told', () => {
  assert.throws(() => openBenchmark(mathvision, join(dir, 'none')), /no such file or folder\. Download MathVision/)
  assert.throws(() => openBenchmark(mathvision, join(dir, 'OlympiadBench')), /expected the files of MathVision/)
})

test.run()
