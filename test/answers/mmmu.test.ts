/** MMMU's judge, one line a case, reasoned out from the official rules. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Problem, type Reason, verify } from '../../src/answers/verify.ts'

function judged(fields: Problem, cases: [response: string, reason: Reason, finish?: 'length'][]): void {
  for (const [response, reason, finish] of cases) {
    const verdict = verify(response, fields, 'mmmu', { finish })
    assert.is(verdict.reason, reason, `${response} | ${fields.answer} gives ${verdict.answer}`)
    assert.is(verdict.reward, reason === 'right' ? 1 : 0)
  }
}

test('numbers are one where they round to the same two decimals', () => {
  judged({ answer: '2.5' }, [
    ['2.5', 'right'],
    ['\\boxed{2.504 \\text{ kN}}', 'right'],
    ['\\boxed{2.496}', 'right'],
    ['\\boxed{2.51}', 'wrong'],
    ['\\boxed{\\frac{5}{2}}', 'right'],
    ['The bar is 2.5 m tall.', 'right'],
    ['<think>2.5</think>', 'no answer'],
    ['<think>It is 2.5', 'unclosed think'],
    ['<think>It is 2.5', 'truncated', 'length'],
    ['The bar is 2', 'truncated', 'length'],
    ['\\boxed{2.4}. Wait: \\boxed{2.5}', 'right'],
    ['\\boxed{2.5}. But the final answer is 7.', 'wrong'],
  ])
  judged({ answer: '2,000,000' }, [['\\boxed{\\$2000000}', 'right']])
  judged({ answer: ['24/7', '3.429'] }, [
    ['\\boxed{3.43}', 'right'],
    ['\\boxed{\\frac{24}{7}}', 'right'],
    ['\\boxed{3.42}', 'wrong'],
  ])
})

test('a statement that holds the words of the gold, whole, will do', () => {
  judged({ answer: 'Tampa' }, [
    ['Tampa', 'right'],
    ['It is Tampa, Florida.', 'right'],
    ['Most of them live there. So the city is tampa.', 'right'],
    ['\\boxed{\\text{Tampa}}', 'right'],
    ['Tampa is too small. The answer is Miami.', 'wrong'],
    ['I would not know which of the cities that might be.', 'no answer'],
    ['\\boxed{Tampax}', 'wrong'],
    ['', 'no answer'],
  ])
  judged({ answer: ['$BaO$', 'BaO'] }, [
    ['The oxide is BaO', 'right'],
    ['\\boxed{CaO}', 'wrong'],
  ])
  judged({ answer: 'A' }, [
    ['\\boxed{A}', 'right'],
    ['A figure like that is not easy to read.', 'no answer'], // a letter has to be said
  ])
})

test('a choice is never guessed', () => {
  judged({ answer: 'B', options: ['$6', '$7', '$8'] }, [
    ['Answer: B', 'right'],
    ['\\boxed{7}', 'right'],
    ['\\boxed{\\text{(C)}}', 'wrong'],
    ['None of it is legible, and so I leave the question open.', 'no answer'],
    ['\\boxed{7.004}', 'wrong'], // two decimals are for open answers
  ])
})

test.run()
