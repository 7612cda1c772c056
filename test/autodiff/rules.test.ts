/** Every rule of the table, by finite differences. A rule without a case fails. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RULES } from '../../src/autodiff/rules/index.ts'
import { CASES } from './cases.ts'
import { check } from './check.ts'

const test = suite('autodiff: rules')

test('every rule has a case, and every case a rule', () => {
  assert.equal(Object.keys(CASES).sort(), Object.keys(RULES).sort())
})

for (const [op, cases] of Object.entries(CASES)) {
  test(op, async () => {
    for (const [i, each] of cases.entries()) await check(`${op} ${i}`, op, each)
  })
}

test.run()
