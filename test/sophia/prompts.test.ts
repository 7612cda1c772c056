import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { defaults, fill, optionLines, promptsFor, templateFrom } from '../../src/sophia/prompts.ts'

const test = suite('prompts')
const folder = mkdtempSync(join(tmpdir(), 'sophia-test-'))

test('our own prompts do what they have to', () => {
  assert.not.match(defaults.caption, /\{/)
  for (const text of [defaults.reason, defaults.answer]) assert.match(text, /\\boxed\{\}/)
  assert.match(defaults.reason, /An example\.[\s\S]*look at the image once more[\s\S]*\\boxed\{2\}/)
  assert.match(defaults.system, /<think> and <\/think>/)
})

test('a model folder has the last word over the defaults, for the keys it has', () => {
  assert.is(promptsFor('some/hub-id'), defaults)
  writeFileSync(join(folder, 'prompts.json'), '{"caption":"Describe."}')
  assert.equal(promptsFor(folder), { ...defaults, caption: 'Describe.' })
  writeFileSync(join(folder, 'prompts.json'), '{"captions":"Describe."}')
  assert.throws(() => promptsFor(folder), /expected texts under caption, reason, answer, system, got captions: string/)
})

test('a template file loses its last newline only', () => {
  writeFileSync(join(folder, 'p.txt'), '\nQ: {question}\n\n')
  assert.is(templateFrom(join(folder, 'p.txt')), '\nQ: {question}\n')
  assert.throws(() => templateFrom(join(folder, 'none.txt')), /no such file/)
})

test('options: lines, or nothing', () => {
  assert.is(optionLines(['x', 'y']), '\n(A) x\n(B) y')
  assert.is(optionLines(['A', 'B', 'C', 'D', 'E']), '')
  assert.is(optionLines(undefined), '')
  assert.is(fill('{question}{options}.', { question: 'Q' }), 'Q.')
  assert.is(fill('{question}|{other}', { question: '$& {options}', options: ['x'] }), '$& {options}|{other}')
})

test("LLaVA's marks stand for no second picture", () => {
  assert.is(fill('{question}', { question: '<image>\nHow many are in <image1>?' }), 'How many are in <image1>?')
})

test.run()
