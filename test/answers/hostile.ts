/** Inputs that graders have hung, crashed or lied on: generators for the hostile test and bench, the same for every run of a seed. */
import { uniform } from '../../src/random.ts'

const PIECES = [
  '{', '}', '(', ')', '[', ']', '\\{', '\\left(', '\\right)', '|', '$', '$$', '\\boxed{', '\\frac', '\\frac{1}{2}', '\\sqrt', '\\sqrt[3]{', '^', '^{', '_', '_{',
  '9^{9^{9}}', '9', '10**100000', '!', '!!', '\\sum_{k=1}^{10^9} k', '\\sum_{k=1}^{399}', '\\int_0^1', '\\binom{1000000}{500000}', 'e^{e^{e^{e}}}', '1e999', '1e-999',
  '9'.repeat(300), '0.'.repeat(3), ',', ';', '=', '<', '\\le', '\\pm', '\\mp', '\\cup', '\\in ', '\\begin{pmatrix}', '\\end{pmatrix}', '&', '\\\\', '\\text{', '\\text{cm}',
  '\\', '\u0000', '\u0007', '\u200b', '\ud800', '\udc00', '\u202e', '𝒳', '𝟙', '½', '²', '∞', '答案是', '，', '<think>', '</think>', '<|im_end|>', '__proto__', 'constructor',
  'toString', 'hasOwnProperty', '\\constructor', '\\__proto__', 'eval(1)', 'process.exit(1)', '${1+1}', 'is ', 'The answer is ', 'final answer', 'x', 'n(n-1)', 'sin', '\\sin',
  'f(f(f(', '((x+1)^{9})^{9}', ' ', '\n', '\n\n', '%', '^\\circ', '\\overline{', '\\infty', '-', '--', '+', '/', ':', '1,000', '1,2', "'", '_1', '#', '&lt;', '\\def\\a{\\a}\\a',
]

const WHOLE = [
  () => '{'.repeat(1_000_000),
  () => `\\boxed{${'{'.repeat(500_000)}`,
  () => `\\boxed{${'('.repeat(200_000)}1${')'.repeat(200_000)}}`,
  () => '\\boxed{'.repeat(100_000),
  () => '\\boxed{1}'.repeat(50_000),
  () => '<think>'.repeat(50_000),
  () => 'The answer is '.repeat(30_000),
  () => `The answer is ${' '.repeat(200_000)}x`,
  () => '$'.repeat(300_000),
  () => '\\['.repeat(100_000),
  () => `\\boxed{${'-'.repeat(100_000)}1}`,
  () => `\\boxed{${'\\frac{1}{'.repeat(900)}2${'}'.repeat(900)}}`,
  () => `\\boxed{${'9'.repeat(100_000)}}`,
  () => `\\boxed{${'1+'.repeat(590)}1}`,
  () => `\\boxed{${'x^'.repeat(500)}x}`,
  () => `\\boxed{${'f('.repeat(300)}x${')'.repeat(300)}}`,
  () => `\\boxed{${'f('.repeat(300)}x}`,
  () => `\\boxed{${'|x'.repeat(300)}}`,
  () => `\\boxed{${'(x+y)^{8}'.repeat(100)}}`,
  () => `\\boxed{${'\\sum_{k=1}^{399}'.repeat(6)}k}`,
  () => `\\boxed{${Array.from({ length: 500 }, (_, i) => i).join(',')}}`,
  () => `\\boxed{${Array.from({ length: 60 }, (_, i) => `x+${i}`).join(',')}}`,
  () => `\\boxed{${Array.from({ length: 60 }, (_, i) => `x_{${i}}=y^2+${i}`).join(',')}}`,
  () => '1 '.repeat(100_000),
  () => '1.'.repeat(100_000),
  () => '1,'.repeat(100_000),
  () => 'a'.repeat(1_000_000),
  () => '答'.repeat(300_000),
  () => '\ud800'.repeat(300_000),
  () => '\u0000'.repeat(300_000),
  () => `${'answer '.repeat(50_000)}is 3`,
  () => '**1'.repeat(80_000),
  () => `\\boxed{${' '.repeat(100_000)}1}`,
  () => `\\boxed{${'\\text{a}'.repeat(400)}}`,
  () => `\\boxed{${'\\pm 1'.repeat(300)}}`,
  () => '9^{9^{9}}',
  () => '\\boxed{9^{9^{9^{9^{9}}}}}',
  () => '\\boxed{(10^{9})^{10^{9}}}',
  () => '\\boxed{170!!!!!}',
  () => '\\boxed{0.(0)^{-1}}',
]

/** The hostile input number `index`: every fortieth one of the whole kinds, else a jumble of pieces. */
export function hostile(index: number): string {
  if (index % 40 === 0) return WHOLE[(index / 40) % WHOLE.length]()
  const count = 1 + Math.floor(uniform(1, 'hostile', index) * 40)
  let out = uniform(2, 'hostile', index) < 0.7 ? '\\boxed{' : ''
  for (let i = 0; i < count; i++) {
    const piece = PIECES[Math.floor(uniform(3, 'hostile', index, i) * PIECES.length)]
    out += uniform(4, 'hostile', index, i) < 0.05 ? piece.repeat(20) : piece
  }
  return uniform(5, 'hostile', index) < 0.7 ? `${out}}` : out
}

export const GOLDS = ['42', 'x^2+1', '\\frac{1}{2}', '(1,2)', 'x=3', '\\{1,2,3\\}', 'C', 'East', '\\sqrt{2}, -\\sqrt{2}', 'x^2+y^2=1', '9^{9^{9}}', '[0,1)']
