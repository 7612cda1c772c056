import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { defaults } from '../../src/sophia/prompts.ts'
import { reason } from '../../src/sophia/reason.ts'
import type { Row } from '../../src/sophia/rows.ts'
import { echo } from './echo.ts'

const test = suite('reason')
const options = { trajectories: 2, prompt: defaults.reason, model: 'fixtures/reasoner' }
const row = (id: string, index: number): Row => ({
  id,
  question: 'How many {caption}?',
  options: ['one', 'two'],
  caption: { index, text: `A {question} of ${id}.`, tokens: 3, finish: 'stop', logprob: -1 },
})

test('N rows a caption, in order, with the model that thought', async () => {
  const generator = echo(3)
  const rows = await all(reason([row('a', 0), row('a', 1)], generator, options))
  assert.equal(
    rows.map(({ caption, trajectory }) => [
      (caption as { index: number }).index,
      (trajectory as { index: number }).index,
    ]),
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
  )
  assert.equal(Object.keys(rows[0].trajectory as object), ['index', 'text', 'tokens', 'finish', 'model'])
  assert.equal(
    generator.requests.map(request => request.keys),
    [
      ['a', 0, 0],
      ['a', 0, 1],
      ['a', 1, 0],
      ['a', 1, 1],
    ],
  )
})

test('the prompt has question, options and caption; what is put in is not read as a template', async () => {
  const generator = echo(9)
  await all(reason([row('a', 0)], generator, options))
  const [{ text }] = generator.requests[0].messages
  assert.match(text, /How many \{caption\}\?\n\(A\) one\n\(B\) two\n/)
  assert.match(text, /A \{question\} of a\./)
})

test('rows without a caption or a question fail; a caption may be plain text', async () => {
  const rows = [
    { id: 'a', question: '?' },
    { id: 'b', caption: 'x' },
    { id: 'c', question: '?', caption: 'A dog.' },
  ]
  const made = await all(reason(rows, echo(9), options))
  assert.equal(
    made.map(held => (held.error as { code: string } | undefined)?.code),
    ['no-caption', 'no-question', undefined, undefined],
  )
})

test.run()

async function all(rows: AsyncIterable<Row>): Promise<Row[]> {
  const list: Row[] = []
  for await (const held of rows) list.push(held)
  return list
}
