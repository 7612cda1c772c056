/** Goldens of the two official judges, quirks included, one line each; the rules are in the design's verifier facts. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mathvisionExtract } from '../../src/answers/official/mathvision.ts'
import { type Problem, verify } from '../../src/answers/verify.ts'

const FIVE = ['1', '$\\frac{1}{2}$', '3', '$3: 2$', '5']

const MATHVISION: [response: string, gold: string, right: boolean, options?: string[]][] = [
  ['\\boxed{12}', '12', true],
  ['The answer is 12.', '12', true],
  ['so the total is 12', '12', true],
  ['\\boxed{3} no, \\boxed{12}', '12', true],
  ['\\boxed{12\\text{ km}}', '12', true],
  ['\\boxed{x = 12}', '12', true],
  ['The answer is (C).', 'C', true, FIVE],
  ['(C)\nbecause', 'C', true, FIVE],
  ['\\boxed{\\text{(C)}}', 'C', true, FIVE],
  ['\\boxed{3}', 'C', true, FIVE],
  ['\\boxed{0.5}', 'B', true, FIVE],
  ['1/2', 'B', true, FIVE],
  ['\\boxed{\\frac{3}{2}}', 'D', true, FIVE],
  ['\\boxed{D}', 'C', false, FIVE],
  ['\\boxed{\\frac{7}{16}}', '\\frac{11}{25}', true],
  ['\\boxed{0.001}', '0.004', true],
  ['\\boxed{5-2-3-1-4}', '5-2-3-4-1', true],
  ['\\boxed{\\sqrt{8}}', '2\\sqrt{2}', true],
  ['\\boxed{(1.001, 2)}', '(1,2)', true],
  ['\\boxed{(2, 1)}', '(1,2)', false],
  ['3,4,2,1,5', '3,4,5,1,2', false],
  ['20%', '20', false],
  ['\\boxed{20\\%}', '20', true],
  ['\\boxed{2x}', '2', false],
]

const EXTRACTED: [response: string, answer: string][] = [
  ['The answer is: (E)', 'e'],
  ['$r=10$', '10'],
  ['(C) $\\cos ^{2} \\beta$', 'c\\cos^{2}\\beta'],
  ['\\boxed{\\frac{1}{2}}$. The answer is: \\frac{1}{2}', '\\frac{1}{2}}.theansweris:\\frac{1}{2'],
  ['1/2', '\\frac{1}{2}'],
  ['Square with no pathways', 'squarewithnopathways'],
  ['\\boxed{3h 40m}', '3h40m'],
  ['$13 \\%$', '13'],
  ['\\frac12', '\\frac{1}{2}'],
]

const OLYMPIAD: [response: string, gold: string, right: boolean, fields?: Partial<Problem>][] = [
  ['So the final answer is \\boxed{2}.', '2', true],
  ['\\boxed{\\frac{1}{2(n+1)}}', '$\\frac{1}{2 n+2}$', true],
  ['\\boxed{200}', '2', true],
  ['\\boxed{0.02}', '2', true],
  ['\\boxed{417}', '4.2', true, { tolerance: '1e-1' }],
  ['\\boxed{4.3}', '4.2', true, { tolerance: '1e-1' }],
  ['\\boxed{4.3}', '4.2', false],
  ['\\boxed{n + 10^{-6}}', 'n', true],
  ['\\boxed{n+1}', 'n', false],
  ['\\boxed{n^{2}-n}', 'n(n-1)', false],
  ['\\boxed{6\\frac15}', '\\frac{6}{5}', true],
  ['\\boxed{2 \\mathrm{~cm}}', '2', false],
  ['\\boxed{x=3}', '3', true],
  ['\\boxed{3,1,2}', '1,2,3', true],
  ['\\boxed{1,1,2}', '1,2,3', false],
  ['\\boxed{1},\\boxed{2}', '1,2', true],
  ['\\boxed{1 \\pm \\sqrt{2}}', '1-\\sqrt{2}, 1+\\sqrt{2}', true],
  ['\\boxed{[1,2)}', '[1,\\frac{4}{2})', true],
  ['\\boxed{[1,2]}', '[1,2)', false],
  ['\\boxed{x^{2}=1-y^2}', 'x^2+y^2=1', true],
  ['\\boxed{2x^{2}+2y^2=2}', 'x^2+y^2=1', true],
  ['\\boxed{x^{2}-y^{2}=1}', 'x^2+y^2=1', false],
  ['所以最终答案是\\boxed{3}。', '3', true, { language: 'Chinese' }],
  ['\\boxed{3}\nSo the final answer is 4.', '3', false],
  ['\\boxed{90^\\circ}', '90', true],
  ['\\boxed{50\\%}', '50', false],
  ['\\boxed{\\{-1\\} \\cup [0,7) \\mathrm{~cm}}', '\\{-1\\} \\cup [0,7)', true],
  ['the value is $7$', '7', true],
  ['\\boxed{\\frac{1}{2}', '\\frac{1}{2}', false],
  ['\\boxed{184800}', '(46,2004)', true],
]

test('MathVision', () => {
  for (const [response, answer, right, options] of MATHVISION)
    assert.is(verify(response, { answer, options }, 'mathvision').reward, right ? 1 : 0, `${response} | ${answer}`)
  for (const [response, answer] of EXTRACTED) assert.is(mathvisionExtract(response), answer)
})

test('OlympiadBench', () => {
  for (const [response, answer, right, fields] of OLYMPIAD)
    assert.is(verify(response, { answer, ...fields }, 'olympiadbench').reward, right ? 1 : 0, `${response} | ${answer}`)
})

test('why an official verdict is not right', () => {
  assert.is(verify('', { answer: '3' }, 'mathvision').reason, 'no answer')
  assert.is(verify('<think>3', { answer: '4' }, 'olympiadbench').reason, 'unclosed think')
  assert.is(verify('<think>3', { answer: '4' }, 'mathvision', { finish: 'length' }).reason, 'truncated')
  assert.is(verify('\\boxed{4}', { answer: 'x=4' }, 'mathvision').reason, 'unreachable gold')
  assert.is(verify('<think>\\boxed{3}</think>\\boxed{4}', { answer: '3' }, 'olympiadbench').reason, 'wrong')
})

test.run()
