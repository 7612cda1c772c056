/** Which rows overlap: wording, templates, pictures; where the text of a row is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row } from '../../../src/io/row.ts'
import { Benchmarks, type Overlap, type OverlapOptions, overlap, textOf } from '../../../src/sophia/overlap/overlap.ts'
import { root } from '../../processes/sophia.ts'

const test = suite('overlap')
const folder = join(root, 'fixtures/golden/overlap')

const source = (rows: Row[]) => ({
  name: 'held.jsonl',
  folder,
  fraction: () => undefined,
  async *batches() {
    yield rows
  },
})
async function check(benchmark: Row[], rows: Row[], options: Partial<OverlapOptions> = {}): Promise<Row[]> {
  const benchmarks = new Benchmarks(options.by ?? 'any')
  await benchmarks.read('held', source(benchmark))
  const made: Row[] = []
  for await (const row of overlap(rows, benchmarks, { by: 'any', images: { folder }, ...options })) made.push(row)
  return made
}
const one = async (benchmark: Row[], row: Row, options: Partial<OverlapOptions> = {}) =>
  (await check(benchmark, [row], options))[0].overlap as Overlap | null

const tower =
  'A tower of 14 cubes stands on a table in the middle of the room. Paula paints all of the faces that she can see ' +
  'from above and from the four sides. How many faces does she paint?'
const socks =
  'Jonas has 7 pairs of socks in his drawer, and each pair has a colour of its own. How many must he take out?'
const held: Row[] = [
  { id: 1, question: tower },
  { id: 2, question: socks },
]

test('exact: the same words and numbers', async () => {
  const hit = await one(held, { id: 'a', question: `${tower.toUpperCase()} \n(A) 12 (B) 20 (C) 41` })
  assert.equal(hit, { kind: 'exact', benchmark: 'held', id: '1', score: 1, also: [] })
})

test('ngram: renumbered, cut, embedded, reworded in places; never called exact', async () => {
  const [first, second] = tower.split(/(?<=\.) /)
  const variants = [
    tower.replace('14', '23'),
    `${first} ${second}`,
    `Answer in a box. ${tower} Think step by step, and check what you have found before you say it.`,
    tower.replace('Paula', 'Ben').replace('all of the', 'the').replace('stands on', 'is on'),
  ]
  for (const question of variants) {
    const hit = await one(held, { id: 'a', question })
    assert.is(hit?.kind, 'ngram', question)
    assert.is(hit?.id, '1')
    assert.ok((hit?.score as number) >= 0.4 && (hit?.score as number) <= 1)
  }
})

test('null: unrelated questions, and those that share a phrase', async () => {
  const unrelated = [
    'How many faces does a cube have?',
    'Paula paints a picture of a table in the middle of the room. What does it cost?',
    'What is the sum of the first ten odd numbers?',
    '',
  ]
  for (const prompt of unrelated.filter(text => text)) assert.is(await one(held, { prompt }), null, prompt)
})

test('Chinese by characters', async () => {
  const question = '如图，在直角三角形ABC中，点D是斜边AB的中点，CD的长为5，AC的长为6，求三角形BCD的面积。'
  const chinese = [{ id: '甲', question }]
  assert.is((await one(chinese, { question: question.replace('6', '8') }))?.kind, 'ngram')
  assert.is((await one(chinese, { question: question.replaceAll('，', ', ').replace('。', '') }))?.kind, 'exact')
  assert.is(await one(chinese, { question: '如图，在直角三角形ABC中，已知角A等于30度，求角B的度数。' }), null)
})

const shapes = ['circles', 'squares', 'stars', 'bars', 'dots', 'rings']
const templates = shapes.map((shape, i) => ({
  id: i,
  question: `What is the sum of the numbers on all of the ${shape} in the picture that is shown to the right?`,
  images: [i === 0 ? 'wheel.png' : 'triangle.png'],
}))

test('a template with other things in it is another question, and so is a short one with another picture', async () => {
  const apples = templates[0].question.replace('circles', 'apples')
  assert.is(await one(templates, { question: apples, images: ['bars.png'] }), null)
  assert.is(await one(templates, { question: templates[0].question, images: ['bars.png'] }), null)
  const find = [{ id: 'x', question: 'Find x.', images: ['wheel.png'] }]
  assert.is(await one(find, { question: 'Find x', images: ['triangle.png'] }), null)
  assert.is((await one(find, { question: 'Find x', images: ['wheel.png'] }))?.kind, 'exact')
  assert.is((await one([{ id: 'y', question: 'Find 2+2.' }], { question: 'find $2 + 2$' }))?.kind, 'exact')
})

test('the picture that agrees says which of equal questions it is', async () => {
  const twins = ['triangle.png', 'wheel.png'].map((name, id) => ({ id, question: tower, images: [name] }))
  assert.equal(await one(twins, { question: tower, images: ['wheel.png'] }), {
    kind: 'exact',
    benchmark: 'held',
    id: '1',
    score: 1,
    also: [{ kind: 'image', benchmark: 'held', id: '1', score: 1 }],
  })
})

test('a picture alone; --by leaves out the one or the other', async () => {
  const benchmark = [{ id: 'p', question: tower, images: ['wheel.png'] }]
  const picture = { question: socks, images: [readFileSync(join(folder, 'wheel.png'))] }
  const text = { question: tower, images: ['triangle.png'] }
  assert.equal(await one(benchmark, picture), { kind: 'image', benchmark: 'held', id: 'p', score: 1, also: [] })
  assert.is(await one(benchmark, picture, { by: 'text' }), null)
  assert.is((await one(benchmark, text))?.kind, 'exact')
  assert.is(await one(benchmark, text, { by: 'image' }), null)
})

test('where the text is', () => {
  const user = { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Why?' }] }
  const messages = [{ role: 'system', content: 'no' }, user, { role: 'assistant', content: 'no' }]
  assert.is(textOf({ question: 'Q', prompt: 'P' }), 'Q')
  assert.is(textOf({ prompt: 'P', completion: 'no' }), 'P')
  assert.is(textOf({ messages }).trim(), 'Why?')
  assert.is(textOf({ prompt: messages.slice(0, 2) }).trim(), 'Why?')
  for (const odd of [{}, { messages: [null, 3] }, { prompt: 7 }, { messages: [{ role: 'user', content: null }] }])
    assert.is(textOf(odd as Row), '')
})

test('errors stay on their rows, and are written whatever --only says', async () => {
  const rows: Row[] = [
    { id: 'a', question: tower },
    { id: 'b', question: socks, images: ['none.png'] },
    { id: 'c', question: 'Is it so?' },
    { id: 'd' },
    { id: 'e', error: { stage: 'reason', code: 'x', message: 'x', retryable: false } },
  ]
  const ids = async (only?: 'clean' | 'overlapping') =>
    (await check(held, rows, { only })).map(row => `${row.id}${row.error ? '!' : ''}`).join('')
  assert.is(await ids(), 'ab!cd!e!')
  assert.is(await ids('clean'), 'b!cd!e!')
  assert.is(await ids('overlapping'), 'ab!d!e!')
  const [, b] = await check(held, rows)
  assert.is((b.error as { code: string }).code, 'image')
  assert.not.ok('overlap' in b)
})

test("a benchmark's picture that cannot be read ends it, and says how to go on", async () => {
  try {
    await check([{ id: 7, question: tower, images: ['none.png'] }], [])
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /held\.jsonl, id 7: image: no file .*none\.png.*--by text/)
  }
})

test.run()
