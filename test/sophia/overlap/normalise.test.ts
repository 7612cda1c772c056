/** What counts as the same question, and what must not. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { tokensOf } from '../../../src/sophia/overlap/normalise.ts'
import { shinglesOf } from '../../../src/sophia/overlap/shingles.ts'

const test = suite('normalise')
const plain = (text: string) => tokensOf(text).join(' ')

const same: [name: string, a: string, b: string][] = [
  ['case, spaces, punctuation', 'What is  the area?', 'what is the area'],
  ['dollars', 'Find $x$ if $2x=6$.', 'Find x if 2x = 6.'],
  ['\\( \\) and $$', 'Solve \\(x+1=2\\) now', 'Solve $$x+1=2$$ now'],
  ['sizes', '\\left(x+1\\right)', '\\bigl( x + 1 \\bigr)'],
  ['fonts', 'area of $\\mathrm{ABC}$ in \\textbf{cm}', 'area of ABC in cm'],
  ['fractions', '\\frac{1}{2} of it', '1/2 of it'],
  ['display fractions', '\\dfrac12 of it', '\\tfrac{1}{2} of it'],
  ['fraction bars hold together', '\\frac{x+1}{2}', '(x+1)/2'],
  ['degrees', '$\\angle A = 50^{\\circ}$', '∠A = 50°'],
  ['signs', 'a \\leq b \\times c', 'a ≤ b × c'],
  ['superscripts', 'x² + 1', '$x^{2}+1$'],
  ['full width', '（１２）＋３', '(12)+3'],
  ['minus signs', 'n − 1', 'n-1'],
  ['hyphens between words', 'left-hand side', 'left hand side'],
  ['thousands', '1,250 apples', '1250 apples'],
  ['subscripts', 'x_{1} + x_2', 'x_1+x_{2}'],
  ['picture marks', '<image1>\nHow many <image 2>?', '<|image_pad|>How many <img_12>? ![fig](a.png)'],
  ['options in brackets', 'How many?\n(A) 1 (B) 2 (C) 3', 'How many?'],
  ['options on lines', 'How many?\nChoices:\nA. one\nB. two', 'How many?'],
  ['options in TeX', 'How many? $\\textbf{(A)}\\ 1 \\qquad \\textbf{(B)}\\ 2 \\qquad \\textbf{(C)}\\ 3$', 'How many?'],
  ['options in Chinese', '面积是多少？\nA．1\nB．2\nC．3\nD．4', '面积是多少'],
  ['environments', '\\begin{aligned} x &= 1 \\\\ y &= 2 \\end{aligned}', 'x=1 y=2'],
]
for (const [name, a, b] of same) test(`same: ${name}`, () => assert.is(plain(a), plain(b)))

const other: [name: string, a: string, b: string][] = [
  ['numbers', 'Add 2 and 3', 'Add 2 and 4'],
  ['decimals', '1.5 m', '15 m'],
  ['operators', 'x + 1', 'x - 1'],
  ['powers', 'x^2', 'x2'],
  ['fraction bars', '\\frac{x+1}{2}', 'x+1/2'],
  ['digits side by side', '(1, 2)', '(12)'],
  ['letters', 'angle A', 'angle B'],
  ['relations', 'x < 2', 'x ≤ 2'],
  ['what comes after one marker', 'Point (A) lies on it. Where?', 'Point'],
]
for (const [name, a, b] of other) test(`other: ${name}`, () => assert.is.not(plain(a), plain(b)))

test('a text of options alone stays', () => assert.is.not(plain('(A) 1 (B) 2 (C) 3'), ''))

test('no text takes long', () => {
  const pieces = [
    '![',
    '![a](',
    '<image ',
    '\\hspace{',
    '\\frac{',
    '\\frac',
    '^ { ',
    'choices ',
    ' ',
    '\n',
    '(A) ',
    '- ',
    'a-',
    '1,',
    '{',
    '\\',
  ]
  for (const piece of pieces) {
    const text = `(A) choices${piece.repeat(300_000 / piece.length)}x (A) (B) (C)`
    const began = process.cpuUsage()
    tokensOf(text)
    assert.ok(process.cpuUsage(began).user < 1e6, `${JSON.stringify(piece)}: ${process.cpuUsage(began).user / 1e6} s`)
  }
})

test('shingles: runs of five words or eight Chinese characters, each once', () => {
  assert.is(shinglesOf(tokensOf('a b c d')).size, 0)
  assert.is(shinglesOf(tokensOf('a b c d e')).size, 1)
  assert.is(shinglesOf(tokensOf('a b c d e a b c d e')).size, 5)
  assert.is(shinglesOf(tokensOf('如图所示在三角形')).size, 1)
  const [first] = shinglesOf(tokensOf('one two three four five'))
  assert.ok(shinglesOf(tokensOf('so: one, two; three four FIVE six')).has(first))
  assert.not.ok(shinglesOf(tokensOf('five four three two one')).has(first))
})

test('shingles do not meet by chance', () => {
  const tokens = Array.from({ length: 200_000 }, (_, i) => `w${(i * 7919) % 100_003}`)
  assert.is(shinglesOf(tokens).size, 100_003) // the sequence repeats after 100,003 tokens
})

test.run()
