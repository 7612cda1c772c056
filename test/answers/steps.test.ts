/** MV-MATH's judge: several questions in one problem, and the ways in which a response may answer them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parts } from '../../src/answers/steps.ts'
import { verify } from '../../src/answers/verify.ts'

const golds = ['$\\angle A B C=30^{\\circ}$', '$y=\\frac{3}{4} x-3$', 'The coordinates of $P$ are $(2,4)$ or $(4,2)$']
const judge = (response: string, answer: unknown = golds, finish?: 'length') =>
  verify(response, { answer, answer_type: 'multi-step' }, 'mv-math', { finish })

test('a response gives its answers in any of these ways', () => {
  const ways = {
    'a line each': '(1) \\boxed{30^\\circ}\n(2) \\boxed{y = 0.75x - 3}\n(3) \\boxed{(2,4)\\text{ or }(4,2)}',
    'parts with work in them':
      '**(1)** As in (2) below, 2 of 3.\n\\boxed{30^\\circ}\n\n**(2)** \\boxed{0} is no slope. So \\boxed{y=\\frac34x-3}.\n' +
      '**(3)** With (1) and (2): \\boxed{P(2,4), P(4,2)}.\n\nThat is all of (1), (2) and (3).',
    'boxes in their order':
      'First \\boxed{17}. So \\boxed{\\angle ABC = 30°}, \\boxed{y=\\frac{3x}{4}-3}, \\boxed{(2,4), (4,2)}',
    'one box, numbered': 'Thus \\boxed{(1)\\ 30^\\circ;\\ (2)\\ y=\\frac34x-3;\\ (3)\\ (2,4)\\text{ or }(4,2)}',
    'one box, numbers in text':
      '\\boxed{\\text{(1) } 30^\\circ \\quad \\text{(2) } y=\\frac34x-3 \\quad \\text{(3) } (2,4) \\text{ or } (4,2)}',
    'wide numbers': '所以 \\boxed{（1）30°；（2）y=\\frac34x-3；（3）(2,4) 或 (4,2)}',
    'one box, parted': '\\boxed{30^\\circ; y=\\frac34x-3; (2,4) \\text{ or } (4,2)}',
    'summed up at the end':
      '(1) \\boxed{29}?\n(2) \\boxed{y=1}\n(3) \\boxed{(0,0)}\nNo: \\boxed{(1) 30^\\circ, (2) y=\\frac34x-3, (3) (2,4), (4,2)}',
    'no boxes':
      '1. The answer is $30^\\circ$.\n2. The answer is $y=\\frac34x-3$.\n3. The answer is $(2,4)$ or $(4,2)$.',
    'after a thought':
      '<think>(1) \\boxed{1} (2) \\boxed{2} (3) \\boxed{3}</think>\\boxed{(1) 30°; (2) y=0.75x-3; (3) (2,4), (4,2)}',
  }
  for (const [way, response] of Object.entries(ways)) {
    const verdict = judge(response)
    if (way === 'no boxes') {
      assert.is(verdict.steps?.right, 2, `${way}: ${verdict.answer}`) // of a sentence's formulas only one is read
      continue
    }
    assert.equal(verdict.steps, { right: 3, of: 3 }, `${way}: ${verdict.answer}`)
    assert.is(verdict.reward, 1)
    assert.is(verdict.reason, 'right')
  }
})

test('reward needs every step; steps tells how many there are', () => {
  const one = judge('(1) \\boxed{30^\\circ}\n(2) \\boxed{y=x}\n(3) \\boxed{(2,4)}')
  assert.equal([one.reward, one.reason, one.steps], [0, 'wrong', { right: 1, of: 3 }])
  const swapped = judge('\\boxed{y=\\frac34x-3}, \\boxed{30^\\circ}, \\boxed{(2,4), (4,2)}')
  assert.equal(swapped.steps, { right: 1, of: 3 })
  const two = judge('\\boxed{30^\\circ} and \\boxed{y=\\frac34x-3}')
  assert.equal([two.reward, two.reason, two.steps], [0, 'no answer', { right: 2, of: 3 }])
  assert.equal(judge('\\boxed{30^\\circ}', golds, 'length').reason, 'truncated')
  assert.equal(judge('I do not know.').reason, 'no answer')
  assert.equal(judge('<think>(1) \\boxed{30}').reason, 'unclosed think')
})

test('names stand for nothing, values do', () => {
  const pairs: [gold: string, answer: string, right: 0 | 1][] = [
    ['B (3, 5)', '(3,5)', 1],
    ['$\\mathrm{P}\\left(2, \\frac{10}{3}\\right)$', '(2, \\frac{10}{3})', 1],
    ['(3, 5)', 'B(3,5)', 1],
    ['(3, 5)', 'B(5,3)', 0],
    ['$A D=12$', '12', 1],
    ['CD=12', 'CD = 12', 1],
    ['12', '\\angle AB = 12', 1],
    ['$A D=12$', '13', 0],
    ['$\\alpha=2 \\beta$', '2\\beta', 1],
    ['$15 \\mathrm{~m}$', '15\\text{ m}', 1],
    ['$3.9 m$', '4', 0],
    ['remains unchanged, $\\sqrt{3}$', '\\sqrt{3}', 1],
    ['$4$, see explanation for reason', '4', 1],
    ['(1) $t=2$; (2) $M(4,0)$', '(1) 2, (2) (4,0)', 1],
    ['(1) $t=2$; (2) $M(4,0)$', '(1) 2, (2) (0,4)', 0],
  ]
  for (const [gold, answer, right] of pairs) {
    const { steps } = judge(`(1) \\boxed{7}\n(2) \\boxed{${answer}}`, ['7', gold])
    assert.equal(steps, { right: 1 + right, of: 2 }, `${gold} and ${answer}`)
  }
})

test('golds that point to a proof do not count', () => {
  const answer = ['3', 'See analysis', '5']
  assert.equal(judge('(1) \\boxed{3}\n(2) It follows.\n\n(3) \\boxed{5}', answer).steps, { right: 2, of: 2 })
  assert.is(judge('\\boxed{3}', ['See analysis']).reason, 'unreachable gold')
})

test('a gold in one text is parted by its numbers', () => {
  assert.equal(parts('(1) B (3, 5); (2) (3, 4);（3）7.5.'), ['B (3, 5)', '(3, 4)', '7.5'])
  assert.equal(parts('(1) (1) 3 , (2) $(1,2)$\n\n(2) $3,(2,1)$\n'), ['(1) 3 , (2) $(1,2)$', '$3,(2,1)$'])
  assert.equal(parts('(1) 8 (2) as in (1), 9 (3) not as in (2)'), ['8', 'as in (1), 9', 'not as in (2)'])
  assert.equal(parts('$(1) 1+3=4$ (2) 5'), ['1+3=4', '5'])
  assert.equal(parts(' 25 m.'), ['25 m'])
})

test('one question is judged strictly, and any of the forms of its answer will do', () => {
  const single = (response: string, answer: unknown, more = {}) =>
    verify(response, { answer, answer_type: 'single-step', ...more }, 'mv-math')
  assert.is(single('\\boxed{\\sqrt2+4}', ['4+\\sqrt{2}', '\\sqrt{2}+4']).reward, 1)
  assert.is(single('\\boxed{4}', ['4+\\sqrt{2}', '\\sqrt{2}+4']).reward, 0)
  assert.is(single('\\boxed{3}', '3').steps, undefined)
  const options = ['9,14', '9,16', '8,16', '10,14']
  assert.is(single('\\boxed{B}', 'B', { options, answer_type: 'choice' }).reward, 1)
  assert.is(single('\\boxed{9,16}', 'B', { options, answer_type: 'choice' }).reward, 1)
  assert.is(single('\\boxed{A}', 'B', { options, answer_type: 'choice' }).reward, 0)
})

test('hostile texts end soon', () => {
  const n = 100_000
  const texts = [
    '\n'.repeat(n),
    '(1)\n(2)\n(3)\n'.repeat(n / 12),
    `\\boxed{${' '.repeat(n)}}`,
    `\\boxed{${'(1) '.repeat(n / 4)}}`,
    `\\boxed{a${' ;'.repeat(1400)}}`,
    `\\boxed{${'a, ('.repeat(700)}}`,
    `\\boxed{${'A B '.repeat(700)}= 3}`,
    `\\boxed{${'\\ '.repeat(1400)}}`,
    `(1) ${'$a$ '.repeat(n / 5)}\n(2) ${' '.repeat(n / 2)}\n(3)`,
    '(1) ('.repeat(n / 5),
  ]
  for (const text of texts) {
    let best = Number.POSITIVE_INFINITY
    for (let again = 0; best > 50 && again < 4; again++) {
      const { user: before } = process.cpuUsage()
      judge(text)
      best = Math.min(best, (process.cpuUsage().user - before) / 1000)
    }
    assert.ok(best < 50, `${best} ms for ${JSON.stringify(text.slice(0, 40))}`)
  }
})

test.run()
