/**
 * What a teacher would say: pairs made by hand of the kinds that graders get wrong, a line of JSON each, with the judge
 * under which they stand. `right` was written down before any judge was asked.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Judge, type Problem, verify } from '../../src/answers/verify.ts'

interface Pair extends Problem {
  judge: Judge
  right: boolean
  response: string
}

const pairs: Pair[] = readFileSync(new URL('./teacher.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line))

for (const name of new Set(pairs.map(({ judge }) => judge))) {
  test(`${name} says what a teacher says`, () => {
    const missed = pairs.filter(
      ({ judge, right, response, ...problem }) =>
        judge === name && (verify(response, problem, judge).reward === 1) !== right,
    )
    assert.equal(missed, [])
  })
}

test.run()
