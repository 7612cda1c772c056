/** eval on MMMU, MMMU-Pro, MathVista and MathVerse as processes: verdicts on saved answers to the item, and the tiny policy. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../src/io/row.ts'
import type { Response } from '../../src/sophia/score.ts'
import { rowsOf, sophia, temporary } from './sophia.ts'

const test = suite('eval on exams')
const dir = temporary()
const folder = 'fixtures/golden/benchmarks'

/** Of each benchmark: id, what a model said, and the verdict's reason or the error's code. */
const SAID: Record<string, [id: string, said: string | object, expected: string][]> = {
  mmmu: [
    ['validation_Art_1', '<think>(A)? The square is first.</think>The answer is (B).', 'right'],
    ['validation_Art_1', '<think>The answer is (B).</think>', 'no answer'],
    ['validation_Art_2', '\\boxed{\\frac{1}{2}}', 'right'],
    ['validation_Art_2', '\\boxed{C}. Wait, no. \\boxed{A}', 'wrong'],
    ['validation_Art_2', 'Nothing in the picture tells whose it might be.', 'no answer'],
    ['validation_Art_3', '\\boxed{A}', 'bad-options'],
    ['validation_Physics_1', 'The bar is 2.504 m tall.', 'right'],
    ['validation_Physics_1', '\\boxed{2.51}', 'wrong'],
    ['validation_Physics_2', 'The oxide is BaO', 'right'],
    ['validation_Physics_2', '\\boxed{\\text{CaO}}', 'wrong'],
    ['validation_Physics_3', '\\boxed{0 \\le x < 1}', 'right'],
    ['validation_Physics_3', { text: '<think>It begins at', finish: 'length' }, 'truncated'],
  ],
  'mmmu-pro': [
    ['test_Physics_7', 'It asks for a height. Option A is too small.\n\nAnswer: J', 'right'],
    ['test_Physics_7', '\\boxed{19 m}', 'right'],
    ['test_Physics_7', 'Answer: I cannot read it', 'no answer'],
    ['validation_Manage_2', '**Answer: B**', 'right'],
    ['validation_Manage_2', 'Answer: A', 'wrong'],
    ['validation_Manage_2', '<think>Answer: B', 'unclosed think'],
  ],
  mathvista: [
    ['1', 'The taller bar is 12 years old.', 'right'],
    ['2', '\\boxed{3.249}', 'right'],
    ['2', '\\boxed{3.26}', 'wrong'],
    ['3', '[20, 35]', 'right'],
    ['4', '答案是 C', 'right'],
    ['4', '\\boxed{45^\\circ}', 'wrong'],
    ['5', 'It is a square.', 'right'],
    ['6', 'No, it is blue.', 'right'],
    ['6', '\\boxed{A}', 'wrong'],
  ],
  mathverse: [
    ['5', '\\boxed{60^\\circ}', 'right'],
    ['5', 'The correct option is D.', 'wrong'],
    ['10', '\\boxed{50\\text{ cm}}', 'right'],
    ['10', '\\boxed{0.5\\text{ km}}', 'wrong'],
    ['15', '\\boxed{B}', 'right'],
    ['20', '\\boxed{(-2, 1)}', 'wrong'],
    ['1', '\\boxed{C}', 'no-problem'],
  ],
}

for (const [name, said] of Object.entries(SAID))
  test(`${name}: saved answers`, async () => {
    const file = join(dir, `${name}.jsonl`)
    writeFileSync(file, said.map(([id, response]) => `${JSON.stringify({ id, response })}\n`).join(''))
    const { stdout } = await sophia([
      'eval',
      '--benchmark',
      name,
      '--data',
      `${folder}/${name}`,
      '--responses',
      file,
      '-q',
    ])
    assert.equal(
      rowsOf(stdout).map(row => [row.id, (row.error as Row)?.code ?? (row.response as Response).verdict.reason]),
      said.map(([id, , expected]) => [id, expected]),
    )
  })

for (const name of Object.keys(SAID))
  test(`${name}: the tiny policy sees the pictures`, async () => {
    const model = ['--model', 'fixtures/policy', '--device', 'cpu', '--max-tokens', '8', '--limit', '2', '-q']
    const { code, stdout, stderr } = await sophia([
      'eval',
      '--benchmark',
      name,
      '--data',
      `${folder}/${name}`,
      ...model,
    ])
    assert.is(code, 0, stderr)
    const rows = rowsOf(stdout)
    assert.is(rows.length, 2)
    for (const row of rows) {
      assert.ok((row.response as Response).tokens > 0)
      assert.ok((row.images as unknown[]).length > 0)
    }
  })

test('a picture that is not there is an error of its row, and nothing is asked without it', async () => {
  const item = {
    sample_index: '5',
    problem_version: 'Vision Only',
    image: 'none.png',
    answer: '1',
    query_cot: 'How many?',
  }
  writeFileSync(join(dir, 'testmini.json'), JSON.stringify([item]))
  const model = ['--model', 'fixtures/policy', '--device', 'cpu', '--max-tokens', '8', '-q']
  const { code, stdout } = await sophia(['eval', '--benchmark', 'mathverse', '--data', dir, ...model])
  assert.is(code, 3)
  const [{ error, response }] = rowsOf(stdout)
  assert.is(response, undefined)
  assert.is((error as Row).code, 'image')
  assert.match(String((error as Row).message), /no file .*images\/none\.png/)
})

test.run()
