import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../src/errors.ts'
import { caption } from '../../src/sophia/caption.ts'
import { defaults } from '../../src/sophia/prompts.ts'
import type { Row } from '../../src/sophia/rows.ts'
import { echo } from './echo.ts'

const test = suite('caption')
const picture = new Uint8Array([1, 2, 3])
const options = { captions: 3, prompt: defaults.caption, images: async () => [picture] }
const problems: Row[] = ['a', 'b', 'c'].map(id => ({ id, question: `What is ${id}?`, answer: 1, images: ['x.png'] }))

test('K rows a problem, in order, one key added, pictures shared', async () => {
  const rows = await all(caption(problems, echo(100), options))
  assert.equal(
    rows.map(row => [row.id, (row.caption as { index: number }).index]),
    ['a', 'b', 'c'].flatMap(id => [0, 1, 2].map(index => [id, index])),
  )
  const { caption: made, ...rest } = rows[4]
  assert.equal(rest, problems[1])
  assert.equal(Object.keys(made as object), ['index', 'text', 'tokens', 'finish', 'logprob'])
  assert.is(rows[0].images, problems[0].images)
  assert.is(rows[2].images, problems[0].images)
})

test('the question is never shown, and draws are named by id and index', async () => {
  const generator = echo(100)
  await all(caption(problems, generator, options))
  assert.equal(generator.requests[5].keys, ['b', 2])
  for (const { messages, images } of generator.requests) {
    assert.not.match(JSON.stringify(messages), /What is/)
    assert.is(images[0], picture)
  }
  for (const shown of ['{question}', '{options}'])
    try {
      await all(caption(problems, generator, { ...options, prompt: `Look. ${shown}` }))
      assert.unreachable()
    } catch (error) {
      assert.instance(error, UserError)
    }
})

test('windows of the generator are kept, also where one problem is larger than a window', async () => {
  const generator = echo(2)
  const small = await all(caption(problems, generator, options))
  assert.equal(generator.windows, [2, 2, 2, 2, 1])
  assert.equal(small, await all(caption(problems, echo(100), options)))
})

test('a problem that fails is one row with an error; others go on; captioned and failed rows pass', async () => {
  const rows: Row[] = [
    problems[0],
    { id: 'none', question: '?' },
    { id: 'bad', images: ['bad.png'] },
    { id: 'had', caption: { index: 5, text: 't', tokens: 1, finish: 'stop', logprob: 0 } },
    { id: 'failed', error: { stage: 'caption', code: 'x', message: 'x', retryable: false } },
    problems[1],
  ]
  const images = async (row: Row) => {
    if (row.id === 'bad') throw new UserError('image: no file bad.png')
    return row.images ? [picture] : []
  }
  const fails = ({ keys }: { keys: unknown[] }) => keys[0] === 'b' && keys[1] === 1
  const made = await all(caption(rows, echo(100, fails), { ...options, images }))
  assert.equal(
    made.map(row => [row.id, (row.error as { code: string } | undefined)?.code]),
    [
      ['a', undefined],
      ['a', undefined],
      ['a', undefined],
      ['none', 'no-image'],
      ['bad', 'image'],
      ['had', undefined],
      ['failed', 'x'],
      ['b', 'broken'],
    ],
  )
  assert.is(made[5], rows[3])
  assert.is(made[6], rows[4])
})

test('whoever stops reading stops the work', async () => {
  const generator = echo(100)
  for await (const row of caption(problems, generator, options)) {
    assert.is(row.id, 'a')
    break
  }
  assert.is(generator.taken, 3)
})

test.run()

async function all(rows: AsyncIterable<Row>): Promise<Row[]> {
  const list: Row[] = []
  for await (const row of rows) list.push(row)
  return list
}
