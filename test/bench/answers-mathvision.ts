/** Agreement with MathVision's stored verdicts and extractions of a data folder: `npx tsx test/bench/answers-mathvision.ts DATA [-v]`. Development only. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { verify } from '../../src/answers/verify.ts'

type Item = { id: string; options: string[]; answer: string }
type Row = { id: string; model: string; response: string; official_answer: string; official_correct: boolean }
const [folder, verbose] = process.argv.slice(2)
const lines = <T>(name: string): T[] =>
  readFileSync(join(folder, 'mathvision', name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as T)
const items = new Map(lines<Item>('testmini.jsonl').map(item => [item.id, item]))
let agree = 0
let same = 0
const rows = lines<Row>('responses.testmini.jsonl')
const start = performance.now()
for (const row of rows) {
  const item = items.get(row.id)!
  const verdict = verify(row.response, item, 'mathvision')
  if ((verdict.answer ?? '') === row.official_answer.slice(0, 500)) same++
  else if (verbose)
    console.log(
      `extracted ${JSON.stringify(verdict.answer)} | official ${JSON.stringify(row.official_answer)} | ${JSON.stringify(row.response.slice(-160))}`,
    )
  if ((verdict.reward === 1) === row.official_correct) agree++
  else
    console.log(
      `official ${row.official_correct} | ${row.id} | ${item.answer} ${JSON.stringify(item.options)} | ${verdict.answer}`,
    )
}
console.log(
  `verdicts ${agree}/${rows.length} = ${((100 * agree) / rows.length).toFixed(3)}%, extractions ${same}, ${(performance.now() - start).toFixed(0)} ms`,
)
