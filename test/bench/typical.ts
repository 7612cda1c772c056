/** Responses as reasoners write them (0.7 to 3.4 kB, ten kinds of answer), for the benchmarks of the verifier. */

import { uniform } from '../../src/random.ts'

export const THOUGHT =
  'Let us look at the picture again: there are $3$ red discs and $x^2 + 1$ squares, so we count them one by one. Wait, that is not right. '
const PAIRS = [
  ['42', '42'],
  ['\\frac{3}{4}', '0.75'],
  ['C', 'C'],
  ['3x+2y', '2y+3x'],
  ['(1, 2)', '(1,2)'],
  ['\\sqrt{8}', '2\\sqrt{2}'],
  ['17', '18'],
  ['x^2+2x+1', '(x+1)^2'],
  ['12', '12\\text{ cm}'],
  ['-5', '5'],
]

/** The `i`-th typical response, with what its problem says of the answer. */
export function typical(i: number): { answer: string; options?: string[]; text: string } {
  const [answer, said] = PAIRS[i % PAIRS.length]
  const thoughts = THOUGHT.repeat(5 + Math.floor(uniform(7, 'typical', i) * 20))
  const text = `<think>${thoughts}</think>\nSo the answer is \\boxed{${said}}.`
  return { answer, ...(answer === 'C' && { options: ['1', '2', '3', '4', '5'] }), text }
}
