/** Agreement of the strict judge with the truth cases of a data folder: `npx tsx test/bench/answers-truth.ts DATA [-v]`. Development only. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { verify } from '../../src/answers/verify.ts'

const [folder, verbose] = process.argv.slice(2)
const rows = readFileSync(join(folder, 'grading/truth.dev.jsonl'), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map(line => JSON.parse(line) as { gold: string; pred: string; expected: boolean; source: string })
let agree = 0
let accepts = 0
let rejects = 0
const start = performance.now()
for (const row of rows) {
  const verdict = verify(row.pred, { answer: row.gold }, 'strict')
  const said = verdict.reward === 1
  if (said === row.expected) agree++
  else {
    if (said) accepts++
    else rejects++
    if (verbose)
      console.log(
        `${said ? 'ACCEPT' : 'reject'} | ${row.source.split('/').at(-1)?.slice(0, 14)} | ${JSON.stringify(row.gold).slice(0, 110)} | ${JSON.stringify(row.pred.slice(-130))} | ${verdict.answer?.slice(0, 60)} | ${verdict.reason}`,
      )
  }
}
const ms = performance.now() - start
console.log(
  `strict: ${agree}/${rows.length} = ${((100 * agree) / rows.length).toFixed(2)}%, false accepts ${accepts}, false rejects ${rejects}, ${ms.toFixed(0)} ms`,
)
