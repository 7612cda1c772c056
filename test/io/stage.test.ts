/** One-to-many stages cut off at every byte and taken up again: the same file, and no window made twice in full. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runStage, type Stage } from '../../src/io/stage.ts'
import { caption, passesCaption } from '../../src/sophia/caption.ts'
import type { Caption, Row } from '../../src/sophia/rows.ts'
import { temporary } from '../processes/sophia.ts'
import { type Echo, echo } from '../sophia/echo.ts'

const test = suite('stage')
const dir = temporary()
const input = join(dir, 'problems.jsonl')
const problems: Row[] = Array.from({ length: 11 }, (_, i) => {
  if (i === 3) return { id: 'p3', error: { stage: 'before', code: 'x', message: 'x', retryable: false } }
  if (i === 6) return { id: 'p6' } // no picture: fails
  if (i === 8) return { id: 'p8', caption: { index: 0, text: 'had', tokens: 1, finish: 'stop', logprob: 0 } }
  return { id: `p${i}`, images: ['x'] }
})
writeFileSync(input, problems.map(row => `${JSON.stringify(row)}\n`).join(''))

/** caption with K = 3, two problems a window. */
function stage(generator: Echo): Stage {
  const images = async (row: Row) => (row.images ? [new Uint8Array(1)] : [])
  return {
    name: 'caption',
    window: 2,
    map: rows => caption(rows, generator, { captions: 3, prompt: 'Describe.', images }),
    passes: passesCaption,
    last: row => (row.caption as Caption).index === 2,
  }
}

async function run(output: string, resume: boolean, retryErrors = false) {
  const generator = echo(6)
  const options = { input, output, resume, retryErrors, quiet: true }
  const code = await runStage('caption', options, async () => stage(generator))
  return { code, generator }
}

test('cut at any byte, taken up: the same bytes; only what was missing is made', async () => {
  const whole = join(dir, 'whole.jsonl')
  const first = await run(whole, false)
  assert.is(first.code, 3)
  const text = readFileSync(whole)
  assert.is(text.toString().trim().split('\n').length, 8 * 3 + 3)
  const out = join(dir, 'cut.jsonl')
  for (let cut = 0; cut <= text.length; cut += 37) {
    writeFileSync(`${out}.part`, text.subarray(0, cut))
    const { code, generator } = await run(out, true)
    assert.is(code, 3)
    assert.ok(readFileSync(out).equals(text), `cut at ${cut}`)
    // Rows that stand in the journal and belong to whole windows are not asked for again.
    const kept = text.subarray(0, cut).toString().split('\n').length - 1
    assert.ok(generator.requests.length <= first.generator.requests.length - kept + 6 + 3, `cut at ${cut}`)
  }
})

test('a failing generator leaves a journal that can be taken up', async () => {
  const out = join(dir, 'broken.jsonl')
  const generator = echo(6, ({ keys }) => {
    if (keys[0] === 'p5') throw new Error('out of memory')
    return false
  })
  try {
    await runStage('caption', { input, output: out, quiet: true }, async () => stage(generator))
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'out of memory')
  }
  await run(out, true)
  assert.ok(readFileSync(out).equals(readFileSync(join(dir, 'whole.jsonl'))))
})

test('other settings than before are noticed', async () => {
  const out = join(dir, 'other.jsonl')
  writeFileSync(`${out}.part`, readFileSync(join(dir, 'whole.jsonl')))
  const other = { ...stage(echo(6)), last: (row: Row) => (row.caption as Caption).index === 1 }
  try {
    await runStage('caption', { input, output: out, resume: true, quiet: true }, async () => other)
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /other\.jsonl\.part:3: expected a row of id p1, got p0/)
  }
})

test.run()
