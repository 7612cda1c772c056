/** Rows a second of the three judges on typical responses, one core, median of five: `npx tsx test/bench/answers-speed.ts`. Development only. */

import { type Judge, verify } from '../../src/answers/verify.ts'
import { typical } from './typical.ts'

const rows = Array.from({ length: 10_000 }, (_, i) => typical(i))
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
