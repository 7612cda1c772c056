import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { exampleOf as ownForm, tokenWeights } from '../../src/sophia/objective.ts'
import { defaults } from '../../src/sophia/prompts.ts'
import { Dataset } from '../../src/train/dataset.ts'
import { exampleOf, type Skipped } from '../../src/train/rows.ts'

const test = suite('train: rows')

const counted = (): Skipped => ({ failed: 0, unrewarded: 0 })
const read = (row: Record<string, unknown>, skipped = counted()) =>
  exampleOf(row, 'rows.jsonl: row 1', skipped, r => ownForm(r, defaults))

const sophia = {
  id: 'p1',
  images: ['p1.png'],
  question: 'How many?',
  answer: '3',
  caption: { index: 0, text: 'A secret caption.', tokens: 5, finish: 'stop', logprob: -3 },
  trajectory: { index: 0, text: '<think>One, two, three.</think> \\boxed{3}', tokens: 12, finish: 'stop', model: 'r' },
  credit: { caption: 0.875, reward: 1 },
}

test('of a SOPHIA row the trajectory is learnt, from picture and question; the caption is not shown', () => {
  const example = read(sophia)!
  assert.equal(example.images, ['p1.png'])
  assert.is(example.weight, 1)
  assert.equal(
    example.messages.map(({ role }) => role),
    ['system', 'user', 'assistant'],
  )
  assert.is(example.messages[0].text, defaults.system)
  assert.ok(example.messages[1].text.startsWith('How many?'))
  assert.is(example.messages[1].images, 1)
  assert.is(example.messages[2].text, sophia.trajectory.text)
  assert.not.ok(JSON.stringify(example).includes('secret'))
})

test('the slow-thinking system prompt goes with trajectories that think in tags', () => {
  const example = read({ ...sophia, trajectory: { ...sophia.trajectory, text: 'Three. \\boxed{3}' } })!
  assert.equal(
    example.messages.map(({ role }) => role),
    ['user', 'assistant'],
  )
})

test('rows without reward and rows with an error are counted and left out', () => {
  const skipped = counted()
  assert.is(read({ ...sophia, credit: { caption: 0.5, reward: 0 } }, skipped), undefined)
  assert.is(
    read({ ...sophia, error: { stage: 'reason', code: 'x', message: '', retryable: true } }, skipped),
    undefined,
  )
  assert.equal(skipped, { failed: 1, unrewarded: 1 })
  // Judged, and not propagated.
  const { credit: _, ...judged } = sophia
  assert.is(read({ ...judged, verdict: { reward: 0, answer: null, reason: 'wrong' } }, skipped), undefined)
  assert.is(read({ ...judged, verdict: { reward: 1, answer: '3', reason: 'right' } }, skipped)!.weight, 1)
  assert.is(skipped.unrewarded, 2)
})

test("the field's forms: prompt and completion, messages with parts, LLaVA's marks, rewards", () => {
  const plain = read({ prompt: 'Hi', completion: 'Hello', reward: 0.5 })!
  assert.equal(plain.messages, [{ role: 'user', text: 'Hi' }, { role: 'assistant', text: 'Hello' }]) // biome-ignore format: one thought
  assert.is(plain.weight, 0.5)
  const parts = [{ type: 'image' }, { type: 'text', text: 'What?' }]
  const chat = [{ role: 'user', content: parts }, { role: 'assistant', content: 'That.' }] // biome-ignore format: one thought
  assert.is(read({ messages: chat, images: ['a.png'], weight: 2 })!.messages[0].images, 1)
  const marked = read({ prompt: '<image>\nWhat?', completion: 'That.', images: ['a.png'] })!
  assert.equal(marked.messages[0], { role: 'user', text: 'What?', images: 1 })
  assert.is(read({ prompt: 'What?', completion: 'That.', images: ['a.png', 'b.png'] })!.messages[0].images, 2)
})

test('rows of no known form say what was expected', () => {
  const expected: [Record<string, unknown>, RegExp][] = [
    [{ question: 'How many?', images: [] }, /row 1: expected question and trajectory, prompt and completion, or messages; got the keys question, images/],
    [{ messages: [{ role: 'user', content: 'Hi' }] }, /last message to be the assistant/],
    [{ messages: [{ role: 'tool', content: 'Hi' }] }, /expected a role of system, user or assistant, got "tool"/],
    [{ prompt: '<image><image>', completion: 'x', images: ['a'] }, /show 2 pictures, and images holds 1/],
    [{ prompt: 'a', completion: 'b', weight: -1 }, /reward or weight of 0 or more, got -1/],
  ] // biome-ignore format: a table
  for (const [row, message] of expected) assert.throws(() => read(row), message)
})

test('a token weighs R / Σ R L (Eq. 7)', () => {
  const weights = tokenWeights([1, 1, 2], [3, 5, 1])
  assert.equal(weights, [0.1, 0.1, 0.2])
})

/** One token a word; turns open with their role and end with 0. */
const chat = {
  async encode(messages: { role: string; text: string }[], _: Uint8Array[], { generation }: { generation: boolean }) {
    const words = messages.flatMap(({ role, text }) => [role, ...text.split(' '), 'end', 'newline'])
    return { ids: [...words, ...(generation ? ['assistant'] : [])].map(idOf) }
  },
}
const idOf = (word: string) => (word === 'end' ? 0 : word.length)
const dataset = () => new Dataset({ chat, eos: [0], load: async () => Uint8Array.of(1), maxLength: 12 })
const example = (...texts: string[]) => ({
  id: 'x',
  messages: texts.map((text, i) => ({ role: i % 2 ? ('assistant' as const) : ('user' as const), text })),
  images: [],
  weight: 1,
})

test("what the assistant said is learnt, its turn's end included, and what comes after is cut off", async () => {
  const data = dataset()
  await data.add(example('a bb', 'ccc dddd'))
  assert.equal([...data.entries[0].ids], [4, 1, 2, 0, 7, 9, 3, 4, 0])
  assert.equal([...data.entries[0].learnt], [0, 0, 0, 0, 0, 0, 1, 1, 1])
  assert.is(data.entries[0].targets, 3)
})

test('of several turns all of the assistant are learnt', async () => {
  const data = dataset()
  await data.add({ ...example('a', 'b', 'c', 'd') })
  assert.is(data.tooLong, 1)
  const wide = new Dataset({ chat, eos: [0], load: async () => Uint8Array.of(1), maxLength: 99 })
  await wide.add(example('a', 'b', 'c', 'd'))
  assert.equal([...wide.entries[0].learnt].join(''), '000001100000011')
})

test.run()
