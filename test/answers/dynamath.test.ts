/** DynaMath's judge, one line each: type, gold, response, verdict. The bounds are the official judge's. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { verify } from '../../src/answers/verify.ts'

const CASES: [type: string, gold: string, response: string, reason: string][] = [
  ['float', '2.0944', '\\boxed{2.094}', 'right'],
  ['float', '2.0944', '\\boxed{2.0953}', 'right'],
  ['float', '2.0944', '\\boxed{2.0955}', 'wrong'],
  ['float', '2.0944', '\\boxed{2.09}', 'wrong'],
  ['float', '24.9356', '\\boxed{24.94}', 'wrong'],
  ['float', '24.9356', '\\boxed{24.94\\text{ cm}}', 'wrong'],
  ['float', '2.0944', '\\boxed{\\frac{2\\pi}{3}}', 'right'],
  ['float', '3.1416', '\\boxed{\\pi}', 'right'],
  ['float', '6.2832', '\\boxed{2π}', 'right'],
  ['float', '37.6991', '\\boxed{12 \\pi}', 'right'],
  ['float', '12', '\\boxed{12 \\pi}', 'wrong'],
  ['float', '12', '\\boxed{12 cm}', 'right'],
  ['float', '12', '\\boxed{12\\text{ cm}^2}', 'right'],
  ['float', '123', '\\boxed{123^\\circ}', 'right'],
  ['float', '1250', '\\boxed{1,250.000}', 'right'],
  ['float', '-9', '\\boxed{-9.0}', 'right'],
  ['float', '0.0833', '\\boxed{\\frac{1}{12}}', 'right'],
  ['float', '4', '\\boxed{x = 4}', 'right'],
  ['float', '4', '{"solution": "3 + 1", "short answer": "4.000"}', 'right'],
  ['float', '4', '{"solution": "3 + 1", "short answer": 4}', 'right'],
  ['float', '4', '```json\n{"solution": "it is \\"5\\"", "short answer": "5"}\n```', 'wrong'],
  ['float', '4', 'So the answer is 4.', 'right'],
  ['float', '4', '<think>\\boxed{4}', 'unclosed think'],
  ['float', '4', '<think>no</think>', 'no answer'],
  ['int', '3', '\\boxed{3}', 'right'],
  ['single answer', '3', '\\boxed{3.0005}', 'right'],
  ['multiple choice', 'B', '\\boxed{B}', 'right'],
  ['multiple choice', 'B', '\\boxed{(B) no}', 'right'],
  ['multiple choice', 'B', '\\boxed{\\text{B}}', 'right'],
  ['multiple choice', 'B', '\\boxed{A}', 'wrong'],
  ['multiple choice', 'B', '\\boxed{AB}', 'wrong'],
  ['multiple choice', 'B', '{"short answer": "B"}', 'right'],
  ['text', '5:0', '\\boxed{5:00}', 'right'],
  ['text', '5:0', '\\boxed{6:00}', 'wrong'],
  ['text', 'May', '\\boxed{\\text{May}}', 'right'],
  ['text', 'May', '\\boxed{March}', 'wrong'],
  ['text', 'Thursday', '\\boxed{thursday}', 'right'],
  ['text', '[1, 6, 2]', '\\boxed{[1,6,2]}', 'right'],
  ['text', '[1, 6, 2]', '\\boxed{[6,1,2]}', 'wrong'],
  ['text', '(3.000, 1.000)', '\\boxed{(3, 1)}', 'right'],
  ['text', '(0.886, -0.465)', '\\boxed{(0.8855, -0.4646)}', 'right'],
  ['text', '(0.886, -0.465)', '\\boxed{(0.88, -0.46)}', 'wrong'],
  ['text', 'y = -3', '\\boxed{y=-3}', 'right'],
]

test('as the official judge does, and mathematics for its value', () => {
  for (const [answer_type, answer, response, reason] of CASES) {
    const verdict = verify(response, { answer, answer_type }, 'dynamath')
    assert.is(verdict.reason, reason, `${answer_type} ${answer}: ${response}`)
    assert.is(verdict.reward, reason === 'right' ? 1 : 0)
  }
})

test('a cut response counts only with its answer given', () => {
  const problem = { answer: '4', answer_type: 'float' }
  const cut = (response: string) => verify(response, problem, 'dynamath', { finish: 'length' }).reason
  assert.is(cut('First 4 and then'), 'truncated')
  assert.is(cut('<think>4'), 'truncated')
  assert.is(cut('It is \\boxed{4}. Let me'), 'right')
})

test.run()
