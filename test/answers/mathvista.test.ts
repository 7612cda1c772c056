/** MathVista's judge, one line a case, reasoned out from the official rules; and the Python lists that data sets hold. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { distance } from '../../src/answers/official/mathvista.ts'
import { pythonList } from '../../src/answers/python-list.ts'
import { equal, type Problem, type Reason, verify } from '../../src/answers/verify.ts'

type Case = [response: string, reason: Reason, finish?: 'length']

function judged(fields: Problem, cases: Case[]): void {
  for (const [response, reason, finish] of cases) {
    const verdict = verify(response, fields, 'mathvista', { finish })
    assert.is(verdict.reason, reason, `${response} | ${fields.answer} gives ${verdict.answer}`)
    assert.is(verdict.reward, reason === 'right' ? 1 : 0)
  }
}

test('integers are cut towards zero', () => {
  judged({ answer: '1200', answer_type: 'integer', unit: 'g' }, [
    ['1200', 'right'],
    ['\\boxed{1200}', 'right'],
    ['\\boxed{1,200 \\text{ g}}', 'right'],
    ['\\boxed{1200.9}', 'right'], // officially int(float(…))
    ['\\boxed{1199.9}', 'wrong'],
    ['\\boxed{\\frac{2400}{2}}', 'right'],
    ['\\boxed{\\frac{2401}{2}}', 'wrong'], // only a number that is written out is cut
    ['The measuring cup holds 1200 grams.', 'right'],
    ['<think>\\boxed{1200}</think>\\boxed{1000}', 'wrong'],
    ['<think>It is \\boxed{1200}, or is it', 'unclosed think'],
    ['<think>It is 1200', 'truncated', 'length'],
    ['It is 1200 or', 'truncated', 'length'],
    ['\\boxed{7}. No, that is wrong: \\boxed{1200}', 'right'],
    ['\\boxed{1200}. No: the final answer is 7.', 'wrong'],
    ['\\boxed{unknown}', 'unparseable'],
    ['\\boxed{between 3 and 5}', 'unparseable'],
    ['', 'no answer'],
  ])
  judged({ answer: '-3', answer_type: 'integer' }, [
    ['\\boxed{-3.7}', 'right'],
    ['\\boxed{3}', 'wrong'],
  ])
})

test('decimals are rounded to the precision as Python rounds', () => {
  const area = { answer: '3.2', answer_type: 'float', precision: 1 }
  judged(area, [
    ['\\boxed{3.2}', 'right'],
    ['\\boxed{3.16 m^2}', 'right'],
    ['\\boxed{\\sqrt{10}}', 'right'],
    ['\\boxed{3.25}', 'right'], // a tie, to the even digit
    ['\\boxed{3.26}', 'wrong'],
    ['\\boxed{3.14}', 'wrong'],
    ['x = 3.2', 'right'],
    ['\\boxed{x}', 'unparseable'],
  ])
  judged({ answer: '0.12', answer_type: 'float', precision: 2 }, [
    ['\\boxed{0.125}', 'right'],
    ['\\boxed{12\\%}', 'wrong'],
  ])
  judged({ answer: '2.68', precision: 2 }, [['\\boxed{2.675}', 'wrong']]) // the double is a little less
  judged({ answer: '0.4' }, [['\\boxed{0.375}', 'right']]) // rows from elsewhere: the places of the gold
})

test('lists in order, whatever their brackets', () => {
  judged({ answer: '[2014, 2016]', answer_type: 'list' }, [
    ['[2014, 2016]', 'right'],
    ['\\boxed{[2014,2016]}', 'right'],
    ['\\boxed{\\{2014, 2016\\}}', 'right'],
    ['\\boxed{2014.0, 2016}', 'right'],
    ['The answer is [2014, 2016].', 'right'],
    ['\\boxed{[2016, 2014]}', 'wrong'],
    ['\\boxed{[2014, 2015, 2016]}', 'wrong'],
    ['\\boxed{2014}', 'wrong'],
    [`\\boxed{[${'1,'.repeat(100)}1]}`, 'too hard'],
  ])
})

test('a choice: letter, words, the nearest option; never one that is near to nothing', () => {
  const options = ['135°', '140°', '145°', '150°']
  judged({ answer: '145°', options, answer_type: 'choice' }, [
    ['\\boxed{C}', 'right'],
    ['\\boxed{\\text{(C)}}', 'right'],
    ['\\boxed{145^\\circ}', 'right'],
    ['\\boxed{145 degrees}', 'right'],
    ['\\boxed{C. 145°}', 'right'],
    ['\\boxed{B}', 'wrong'],
    ['The answer is (C).', 'right'],
    ['Answer: C', 'right'],
    ['So the angle is 145°.', 'right'],
    ['(B) 145°', 'wrong'], // officially the letter in brackets
    [
      '<think>The answer is (C).</think>\nI am not sure about it at all, for there is no mark in the picture.',
      'no answer',
    ],
    ['', 'no answer'],
    ['The answer is (C', 'truncated', 'length'],
    ['\\boxed{C} and', 'right', 'length'],
    ['\\boxed{}', 'no answer'],
  ])
  judged({ answer: 'No', options: ['Yes', 'No'] }, [
    ['No, it is blue.', 'right'],
    ['Looking at it closely I see a square. It is not red.', 'no answer'],
    ['The image does not provide the information that would settle this.', 'no answer'],
    ['Yes', 'wrong'],
    ['\\boxed{no}', 'right'],
  ])
  const crops = ['increase in wheat', 'decrease in wheat', 'nothing']
  judged({ answer: 'decrease in wheat', options: crops }, [
    ['\\boxed{decreasing wheat}', 'right'], // nearest in spelling
    ['With fewer bees there is a decrease in wheat.', 'right'],
    [`\\boxed{${'wheat '.repeat(100)}}`, 'unparseable'],
  ])
  judged({ answer: 'E', options: ['A', 'B', 'C', 'D', 'E'] }, [['\\boxed{E}', 'right']])
  judged({ answer: 'B', options: ['x', 'y'] }, [['\\boxed{y}', 'right']])
  judged({ answer: '18', options: ['15', '100', '18', '18'] }, [['\\boxed{D}', 'right']]) // two options, one text
  judged({ answer: 'z', options: ['x', 'y'] }, [['\\boxed{A}', 'unreachable gold']])
})

test('two bare answers', () => {
  assert.ok(equal('4', '4.7', 'mathvista'))
  assert.not.ok(equal('4', 'four apples', 'mathvista'))
  assert.is(distance('kitten', 'sitting'), 3)
  assert.is(distance('', 'abc'), 3)
})

test('hostile options', () => {
  const options = Array.from({ length: 2_000 }, (_, i) => 'ab'.repeat(500) + i)
  const start = process.cpuUsage()
  for (const text of ['ba'.repeat(140), 'x'.repeat(2_900), '('.repeat(2_000), '\\text{'.repeat(450)])
    for (const response of [`\\boxed{${text}}`, text])
      assert.is(verify(response, { answer: options[3], options }, 'mathvista').reward, 0)
  const { user, system } = process.cpuUsage(start)
  assert.ok((user + system) / 8_000 < 50, `${(user + system) / 8_000} ms each`)
})

test('Python lists', () => {
  const cases: [string, string[] | null][] = [
    ['[]', []],
    ["['a', 'b']", ['a', 'b']],
    [" [ 'a' , \"b's\",] ", ['a', "b's"]],
    ["['it\\'s', '\\\\frac{1}{2}', '\\d', 'a\\tb\\x41\\u00e9\\101']", ["it's", '\\frac{1}{2}', '\\d', 'a\tbAéA']],
    ["['[1, 2]', ']']", ['[1, 2]', ']']],
    ['[1, -2.5, 3e4]', ['1', '-2.5', '3e4']],
    ["['a', b]", null],
    ["['a' 'b']", null],
    ["['a'", null],
    ["['a", null],
    ["['a\\", null],
    ["['a']; import os", null],
    ["[__import__('os')]", null],
    ["['\\U00110000']", null],
    ['[,]', null],
    ['', null],
    ['a', null],
    ['['.repeat(100_000), null],
    [`[${"'".repeat(100_001)}`, null],
  ]
  for (const [text, items] of cases) assert.equal(pythonList(text), items, text.slice(0, 60))
})

test.run()
