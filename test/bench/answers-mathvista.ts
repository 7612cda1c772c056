/**
 * Agreement with the verdicts that MathVista published: `npx tsx test/bench/answers-mathvista.ts MATHVISTA [-v]`, where
 * MATHVISTA is a clone of its repository. Once from the extraction that a language model made, once from the whole
 * response, for which we have rules alone. Development only.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mathvistaOutcome } from '../../src/answers/official/mathvista.ts'
import { type Problem, verify } from '../../src/answers/verify.ts'
import { mathvista } from '../../src/benchmarks/mathvista.ts'

type Answer = { response?: unknown; extraction?: unknown; true_false?: boolean }
const [folder, verbose] = process.argv.slice(2)
const json = (path: string) => JSON.parse(readFileSync(join(folder, path), 'utf8'))
const items = json('data/testmini.json')
const files = readdirSync(join(folder, 'results'), { recursive: true, encoding: 'utf8' })
/** Programs are printed as answers there: what they would print is not in them. */
const PROGRAMS = /_code/
const counts = { extracted: 0, agreed: 0, responses: 0, same: 0, written: 0, sameWritten: 0 }
const start = performance.now()
for (const file of files.filter(name => /(^|\/)output_\w+\.json$/.test(name) && !name.includes('test_'))) {
  for (const [pid, said] of Object.entries<Answer>(json(`results/${file}`))) {
    const { response, extraction, true_false: official } = said
    if (official === undefined || !items[pid] || typeof response !== 'string' || typeof extraction !== 'string')
      continue
    const problem = mathvista.problem(items[pid], file) as Problem
    counts.extracted++
    const agrees = (extraction.trim() !== '' && mathvistaOutcome(extraction, problem) === 'right') === official
    if (agrees) counts.agreed++
    else if (verbose) console.log(`official ${official} | ${pid} | ${problem.answer} | ${extraction.slice(0, 200)}`)
    const same = (verify(response, problem, 'mathvista').reward === 1) === official
    counts.responses++
    if (same) counts.same++
    if (PROGRAMS.test(file)) continue
    counts.written++
    if (same) counts.sameWritten++
  }
}
const share = (part: number, of: number) => `${part}/${of} = ${((100 * part) / of).toFixed(2)}%`
console.log(
  `from extractions ${share(counts.agreed, counts.extracted)}, from responses ${share(counts.same, counts.responses)}, without programs ${share(counts.sameWritten, counts.written)}, ${(performance.now() - start).toFixed(0)} ms`,
)
