/** Rows a second of the three judges on typical responses, one core, median of five: `npx tsx test/bench/answers-speed.ts`. Development only. */

import { type Judge, verify } from '../../src/answers/verify.ts'
import { uniform } from '../../src/random.ts'

const THOUGHT =
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
const rows = Array.from({ length: 10_000 }, (_, i) => {
  const [gold, said] = PAIRS[i % PAIRS.length]
  const thought = THOUGHT.repeat(5 + Math.floor(uniform(7, 'speed', i) * 20))
  return {
    answer: gold,
    options: gold === 'C' ? ['1', '2', '3', '4', '5'] : undefined,
    text: `<think>${thought}</think>\nSo the answer is \\boxed{${said}}.`,
  }
})
for (const judge of ['strict', 'olympiadbench', 'mathvision'] as Judge[]) {
  const rates: number[] = []
  for (let run = 0; run < 5; run++) {
    const start = process.cpuUsage()
    for (const row of rows) verify(row.text, row, judge)
    const { user, system } = process.cpuUsage(start)
    rates.push(rows.length / ((user + system) / 1e6))
  }
  console.log(`${judge}: ${Math.round(rates.sort((a, b) => a - b)[2])} rows per second of CPU`)
}
