/** Agreement with OlympiadBench's stored verdicts of a data folder: `npx tsx test/bench/answers-olympiad.ts DATA [-v]`. Development only. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { verify } from '../../src/answers/verify.ts'

type Row = { kind: string; answer_type: string; error: string | null; gold: string; pred: string; official: boolean }
const [folder, verbose] = process.argv.slice(2)
for (const file of ['judged.dev.jsonl', 'judged-variants.dev.jsonl']) {
  const rows = readFileSync(join(folder, 'olympiadbench', file), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Row)
  let agree = 0
  const start = performance.now()
  for (const row of rows) {
    const verdict = verify(
      row.pred,
      { answer: row.gold, answer_type: row.answer_type, tolerance: row.error },
      'olympiadbench',
    )
    if ((verdict.reward === 1) === row.official) agree++
    else if (verbose)
      console.log(
        `official ${row.official} | ${row.kind} | ${row.gold.slice(0, 120)} | ${JSON.stringify(row.pred.slice(-160))} | ${verdict.reason}`,
      )
  }
  console.log(
    `${file}: ${agree}/${rows.length} = ${((100 * agree) / rows.length).toFixed(3)}%, ${(performance.now() - start).toFixed(0)} ms`,
  )
}
