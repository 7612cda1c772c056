import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { collect, inOrder } from '../../src/io/order.ts'

const test = suite('order')
const later = (ms: number) => new Promise(done => setTimeout(done, ms))

test('results in the order of the items, no more than so many at once', async () => {
  let [now, most, begun] = [0, 0, 0]
  const work = async (i: number) => {
    begun++
    most = Math.max(most, ++now)
    await later((i * 7) % 5)
    now--
    return i
  }
  const items = Array.from({ length: 40 }, (_, i) => i)
  assert.equal(await collect(inOrder(items, 6, work)), items)
  assert.is(most, 6)
  begun = 0
  for await (const i of inOrder(items, 1, work)) assert.is(begun, i + 1, 'one at once: only on demand')
})

test('a result does not wait for the next item', async () => {
  let more: (() => void) | undefined
  async function* items() {
    yield 1
    await new Promise<void>(done => {
      more = done
    })
    yield 2
  }
  const made = inOrder(items(), 4, async i => i)
  assert.equal(await Promise.race([made.next(), later(2000)]), { done: false, value: 1 })
  const second = made.next()
  more?.()
  assert.equal(await second, { done: false, value: 2 })
  assert.is((await made.next()).done, true)
})

test('a failure comes in its turn, and ends it though an item is still awaited', async () => {
  async function* items() {
    yield* [1, 2, 3]
    await new Promise(() => {})
  }
  const made: number[] = []
  const run = async () => {
    const work = async (i: number) => {
      if (i === 2) throw new Error('two')
      await later(5)
      return i
    }
    for await (const i of inOrder(items(), 4, work)) made.push(i)
  }
  assert.is(
    await run().then(
      () => '',
      (error: Error) => error.message,
    ),
    'two',
  )
  assert.equal(made, [1])
})

test.run()
