/** Goldens of the strict judge, one line each: gold, response, verdict; and what must hold for every answer. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { strictEqual } from '../../src/answers/equal.ts'
import { equal, extract, type Problem, type Reason, verify } from '../../src/answers/verify.ts'

const RIGHT: [gold: unknown, response: string, fields?: Partial<Problem>][] = [
  ['42', '\\boxed{42}'],
  [42, 'So it is \\boxed{42}.'],
  ['42', '<think>\\boxed{7}? no</think>The answer is \\boxed{42}'],
  ['42', 'thought without an opening tag</think>\n\\boxed{42}'],
  ['42', '\\boxed{41}. Wait, that is wrong. \\boxed{42}'],
  ['\\frac{1}{2}', '\\boxed{\\frac12}'],
  ['\\frac{1}{2}', '\\boxed{\\dfrac{1}{2}}'],
  ['1/2', '\\boxed{0.5}'],
  ['0.5', '\\boxed{\\frac{2}{4}}'],
  ['3x+2y', '\\boxed{2y + 3x}'],
  ['3x+2y', '\\boxed{2y+3 \\cdot x}'],
  ['(x+1)^2', '\\boxed{x^2+2x+1}'],
  ['2\\sqrt{2}', '\\boxed{\\sqrt{8}}'],
  ['\\sqrt[3]{2}', '\\boxed{2^{1/3}}'],
  ['\\pi r^2', '\\boxed{r^{2} \\pi}'],
  ['100000000000000000001', '\\boxed{100{,}000{,}000{,}000{,}000{,}000{,}001}'],
  ['1000', '\\boxed{1,000}'],
  ['{1, 2, 3}', '\\boxed{3, 2, 1}'],
  ['x = 1, y = 2', '\\boxed{y = 2, x = 1}'],
  ['x=5', '\\boxed{5}'],
  ['5', '\\boxed{x=5}'],
  ['(1, 2)', '\\boxed{\\left( 1, 2 \\right)}'],
  ['[1, 2)', '\\boxed{1 \\le x < 2}'],
  ['(-\\infty, 3] \\cup (5, \\infty)', '\\boxed{(5,+\\infty)\\cup(-\\infty,3]}'],
  ['1 \\pm \\sqrt{2}', '\\boxed{1-\\sqrt2, 1+\\sqrt2}'],
  ['y = 2x + 1', '\\boxed{2x - y + 1 = 0}'],
  ['\\begin{pmatrix}1 & 2\\\\3 & 4\\end{pmatrix}', '\\boxed{\\begin{bmatrix} 1&2\\\\ 3&4 \\end{bmatrix}}'],
  ['\\text{Sunday}', '\\boxed{Sunday}'],
  ['Sunday', 'The answer is Sunday.'],
  ['90', '\\boxed{90^\\circ}'],
  ['15', '\\boxed{15\\text{ cm}^2}'],
  ['1 m', '\\boxed{100\\text{ cm}}'],
  ['50%', '\\boxed{50\\%}'],
  ['4\\frac{1}{2}', '\\boxed{4.5}'],
  ['3.1416', '\\boxed{\\pi}'],
  ['0.1\\overline{6}', '\\boxed{\\frac{1}{6}}'],
  ['2', '答案是 2。'],
  ['2', '所以最终答案是 $2$。'],
  ['C', 'The answer is (C).', { options: ['1', '2', '3', '4', '5'] }],
  ['C', '\\boxed{C}', { options: ['1', '2', '3', '4', '5'] }],
  ['C', 'So the answer I would choose is (C).', { options: [...'0123456789'] }],
  ['I', 'Answer: I', { options: [...'0123456789'] }],
  ['C', 'Option A is the best known. I take\n\nC', { options: ['1', '2', '3', '4', '5'] }],
  ['C', 'The correct answer is a bit hidden: C', { options: ['1', '2', '3', '4', '5'] }],
  ['C', '\\boxed{\\text{(C) } 3}', { options: ['1', '2', '3', '4', '5'] }],
  ['C', '\\boxed{3}', { options: ['1', '2', '3', '4', '5'] }],
  ['3', '\\boxed{C}', { options: ['1', '2', '3', '4', '5'] }],
  ['C', '\\boxed{\\frac{2}{4}}', { options: ['1', '2', '1/2', '4', '5'] }],
  ['B', '选B', { options: ['1', '2', '3', '4'] }],
  ['C', 'It shows three of them, so C.', { options: ['1', '2', '3', '4'] }],
  ['\\{x \\mid x > 1\\}', '\\boxed{(1,+\\infty)}'],
  ['-1<x<2', '\\boxed{\\{ x \\in \\mathbb{R} \\mid -1 < x < 2 \\}}'],
  ['x=2k\\pi, k\\in\\mathbb{Z}', '\\boxed{x=2n\\pi, n \\in Z}'],
  ['\\varnothing', '\\boxed{\\text{no real solution}}'],
  ['\\text{无解}', '\\boxed{\\emptyset}'],
  ['\\ln 2', '\\boxed{\\log_e 2}'],
  ['120', '\\boxed{C_{10}^{3}}'],
  ['90', '\\boxed{A^2_{10}}'],
  ['12 cm', '\\boxed{\\text{12 cm}}'],
  ['5\\text{ m/s}^2', '\\boxed{5\\,\\mathrm{m\\,s^{-2}}}'],
  ['["5", "6"]', '\\boxed{6}'],
  ['A, C, D', '\\boxed{DCA}'],
  ['AB', '\\boxed{A, B}', { options: ['1', '2', '3', '4'] }],
  ['3:00', '\\boxed{3:00 \\text{ p.m.}}'],
  ['a square', '\\boxed{square}'],
  ['B', 'Therefore, (B) is correct.', { options: ['1', '2', '3', '4'] }],
  ['B', '<answer>B</answer>', { options: ['1', '2', '3', '4'] }],
  ['B', '{"answer": "B"}', { options: ['1', '2', '3', '4'] }],
  ['4, 5', 'There are 4 or 5 ways.'],
  [['7', '8'], '\\boxed{8}'],
  ['1:2:3', '\\boxed{2:4:6}'],
  ['(3,4)', '\\boxed{x=3, y=4}'],
  ['(-\\infty,-1)\\cup(3,\\infty)', '\\boxed{x<-1 \\text{ or } x>3}'],
  ['60', '\\boxed{60 km/h}'],
  ['5\\text{ m/s}', '\\boxed{5\\text{ m s}^{-1}}'],
  ['3', '\\boxed{Three}'],
  ['C', 'Option C'],
  ['\\sum_{i=1}^{n} i', '\\boxed{\\sum_{j=1}^{n} j}'],
  ['x=9', '\\boxed{\\frac{1}{x}=\\frac{1}{9}}'],
  ['2x>4', '\\boxed{x>2}'],
  ['\\log(xy)', '\\boxed{\\log x+\\log y}'],
  ['100!', '\\boxed{100 \\cdot 99!}'],
  ['1,22', '\\boxed{1.22}'],
  ['$5, 7$', '$\\boxed{5}$ and $\\boxed{7}$'],
  ['28%', '$\\boxed{28}$ percent'],
  ['x = \\frac{1}{3}', '\\boxed{x = \\frac{1}{3} \\approx 0.33}'],
  ['12:30', '\\boxed{12:30:00}'],
  ['204_5', '\\boxed{54}'],
  ['3', '\\boxed{3 \\text{ m}}', { unit: 'm' }],
  ['3', '\\boxed{300 \\text{ cm}}', { unit: 'm' }],
  ['3.0', '\\boxed{3.04}', { tolerance: 0.05 }],
  ['3 m', '\\boxed{3}', { unit: 'm' }],
]

const WRONG: [gold: unknown, response: string, reason: Reason, fields?: Partial<Problem>][] = [
  ['42', '\\boxed{41}', 'wrong'],
  ['B', '不选B', 'wrong', { options: ['1', '2', '3', '4'] }],
  ['\\{x \\mid x > 1\\}', '\\boxed{[1,+\\infty)}', 'wrong'],
  ['x=2k\\pi, k\\in\\mathbb{Z}', '\\boxed{x=k\\pi, k \\in Z}', 'wrong'],
  ['0', '\\boxed{\\text{no solution}}', 'wrong'],
  ['120', '\\boxed{C_{10}^{4}}', 'wrong'],
  ['C_1^2', '\\boxed{C_1}', 'wrong'],
  ['5', 'There are 4 or 5 ways.', 'wrong'],
  ['ACD', '\\boxed{AC}', 'wrong'],
  ['A^2B', '\\boxed{AB}', 'wrong'],
  ['AAB', '\\boxed{AB}', 'wrong'],
  ['3:00 am', '\\boxed{3:00 pm}', 'wrong'],
  ['5\\text{ m/s}', '\\boxed{5\\,\\mathrm{m\\,s^{-2}}}', 'wrong'],
  ['42', '\\boxed{42}. Wait. \\boxed{41}', 'wrong'],
  ['100000000000000000001', '\\boxed{100000000000000000002}', 'wrong'],
  ['0.004', '\\boxed{0.001}', 'wrong'],
  ['11/25', '\\boxed{7/16}', 'wrong'],
  ['4.2', '\\boxed{4.17}', 'wrong'],
  ['4.2', '\\boxed{420}', 'wrong'],
  ['n', '\\boxed{n + 10^{-6}}', 'wrong'],
  ['5-2-3-4-1', '\\boxed{5-2-3-1-4}', 'wrong'],
  ['3 m', '\\boxed{3}', 'wrong'],
  ['3', '\\boxed{3 \\text{ cm}}', 'wrong', { unit: 'm' }],
  ['1', '\\boxed{print(1)}', 'wrong'],
  ['x=2', '\\boxed{\\frac{6}{(x+1)^2}+\\frac{1}{x+1}=1}', 'wrong'],
  ['2x>4', '\\boxed{x \\ge 2}', 'wrong'],
  ['9^{9^{9}}', '\\boxed{10^{100000}}', 'wrong'],
  ['10^{-30}', '\\boxed{2 \\cdot 10^{-30}}', 'wrong'],
  ['1,3', '\\boxed{1.3}', 'wrong'],
  ['f(x)=x', '\\boxed{f(x)=2x}', 'wrong'],
  ['r', '\\boxed{R}', 'wrong'],
  ['cat eats dog', '\\boxed{dog eats cat}', 'wrong'],
  ['(1,2)', '\\boxed{(2,1)}', 'wrong'],
  ['(1,2)', '\\boxed{[1,2]}', 'wrong'],
  ['|x|', '\\boxed{x}', 'wrong'],
  ['x^2 + y^2 = 1', '\\boxed{1}', 'wrong'],
  ['East', '\\boxed{West}', 'wrong'],
  ['C', '\\boxed{D}', 'wrong', { options: ['1', '2', '3', '4', '5'] }],
  ['C', '\\boxed{4}', 'wrong', { options: ['1', '2', '3', '4', '5'] }],
  ['42', '', 'no answer'],
  ['42', 'I really cannot tell.', 'no answer'],
  ['42', '<think>hmm \\boxed{42}', 'unclosed think'],
  ['42', '\\boxed{\\frac{4}{', 'no answer'],
  ['42', '\\boxed{\\frac{}{}{^^}', 'no answer'],
  ['42', '\\boxed{4 2 ^}', 'unparseable'],
  ['13', '\\boxed{0.01 \\bar}', 'unparseable'],
  ['C', '<think>The answer is (C).</think>I really cannot say.', 'no answer', { options: ['1', '2', '3'] }],
  ['A', 'A figure like that is not easy to read.', 'no answer', { options: ['1', '2', '3'] }],
  ['B', 'Answer: I cannot really say', 'no answer', { options: [...'0123456789'] }],
  ['42', `\\boxed{${'('.repeat(500)}42${')'.repeat(500)}}`, 'too hard'],
  ['', '\\boxed{42}', 'unreachable gold'],
  [null, '\\boxed{42}', 'unreachable gold'],
]

test('right answers', () => {
  for (const [gold, response, fields] of RIGHT) {
    const verdict = verify(response, { answer: gold, ...fields }, 'strict')
    assert.is(verdict.reason, 'right', `${gold} | ${response} | ${JSON.stringify(verdict)}`)
    assert.is(verdict.reward, 1)
  }
})

test('other answers, by reason', () => {
  for (const [gold, response, reason, fields] of WRONG) {
    const verdict = verify(response, { answer: gold, ...fields }, 'strict')
    assert.is(verdict.reason, reason, `${gold} | ${response} | ${JSON.stringify(verdict)}`)
    assert.is(verdict.reward, 0)
  }
})

test('a response that was cut off says so', () => {
  assert.is(verify('<think>so 4', { answer: '4' }, 'strict', { finish: 'length' }).reason, 'truncated')
  assert.is(verify('so it may be 4', { answer: '4' }, 'strict', { finish: 'length' }).reason, 'truncated')
  assert.is(verify('', { answer: '4' }, 'strict', { finish: 'length' }).reason, 'truncated')
  assert.is(verify('\\boxed{4} because', { answer: '4' }, 'strict', { finish: 'length' }).reason, 'right')
})

test('what is extracted, and from where', () => {
  assert.is(extract('a \\boxed{1} b \\boxed{\\frac{1}{2}} c').answer, '\\frac{1}{2}')
  assert.is(extract('\\boxed{\\boxed{5}}').answer, '5')
  assert.is(extract('The final answer is $x+1$. I hope it is correct.').answer, 'x+1')
  assert.is(extract('\\boxed{255} dollars. Final Answer: The final answer is $10,455$.').answer, '10,455')
  assert.is(extract('<think>\\boxed{1}').think, 'unclosed')
  assert.is(extract('').answer, null)
})

test('two answers under each judge', () => {
  assert.ok(equal('1/2', '0.5'))
  assert.not.ok(equal('11/25', '7/16'))
  assert.ok(equal('11/25', '7/16', 'mathvision'))
  assert.ok(equal('4.2', '4.1', 'olympiadbench', { tolerance: 0.1 }))
  assert.not.ok(equal('2', '9^{9^{9}', 'olympiadbench'))
})

test('reflexive, symmetric, and blind to spacing and \\dfrac', () => {
  const answers = [
    ...new Set([...RIGHT, ...WRONG].map(([gold]) => String(gold ?? '')).filter(gold => gold !== '')),
    '\\frac{a+b}{c}',
    'x^{2}-\\frac{3}{4}x',
    '\\sin\\frac{x}{2}',
  ]
  for (const a of answers) {
    assert.is(strictEqual(a, a), 'right', a)
    const spaced = a.replace(/([+\-=,^_])/g, ' $1 ')
    if (!/\d-\d-|\d,\d{3}/.test(a)) assert.is(strictEqual(a, spaced), 'right', spaced)
    assert.is(strictEqual(a, a.replaceAll('\\frac', '\\dfrac')), 'right', a)
    // a unit more is no fault, a unit less is: the one place where sides matter
    if (/[a-z]{2}|%|m$|circ|text/.test(a.replace(/\\(?!text)[a-z]+/g, ''))) continue
    for (const b of answers) {
      if (/m$|%|Sunday|East|text/.test(b)) continue
      assert.is(strictEqual(a, b) === 'right', strictEqual(b, a) === 'right', `${a} | ${b}`)
    }
  }
})

test.run()
