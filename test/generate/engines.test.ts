import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGenerator, type GeneratorOptions } from '../../src/generate/index.ts'
import type { Failure, Generated, Message, Request } from '../../src/generate/types.ts'
import { openFolder } from '../../src/models/folder.ts'
import { saveFolder } from '../../src/models/save.ts'

const test = suite('generate: engines')

interface Golden {
  messages: Message[][]
  images?: string[][]
  generation: boolean
  greedy?: number[][]
  greedy_text?: string[]
}

const folderOf = (name: string) => join('fixtures/golden/models', name)

/** The prompts of a golden model that Hugging Face's generate was run on, with its greedy texts. */
function cases(name: string) {
  const golden = JSON.parse(readFileSync(join(folderOf(name), 'golden.json'), 'utf8')) as Record<string, Golden>
  return Object.values(golden).flatMap(({ messages, images, greedy_text, greedy }) =>
    (greedy_text ?? []).map((text, i) => ({
      request: {
        messages: messages[i],
        images: (images?.[i] ?? []).map(file => readFileSync(join(folderOf(name), file))),
        keys: [i],
      } satisfies Request,
      text,
      length: greedy![i].length,
    })),
  )
}

const greedy = (maxTokens: number) => ({ seed: 1, temperature: 0, topP: 1, maxTokens })

async function answers(options: GeneratorOptions, requests: Request[]) {
  const generator = await createGenerator({ device: 'cpu', quiet: true, ...options })
  const made: (Generated | Failure)[] = []
  for await (const answer of generator.generate(requests)) made.push(answer)
  await generator.close()
  return made
}
const textOf = (answer: Generated | Failure) => ('error' in answer ? answer.error.message : answer.text)

for (const name of ['llava', 'qwen2']) {
  test(`${name}: greedy texts are Hugging Face's, and transformers.js' own`, async () => {
    const golden = cases(name)
    assert.ok(golden.length > 1)
    const requests = golden.map(({ request }) => request)
    const sampling = greedy(golden[0].length)
    const ours = await answers({ model: folderOf(name), sampling }, requests)
    assert.equal(
      ours.map(textOf),
      golden.map(({ text }) => text),
    )

    const copy = join(mkdtempSync(join(tmpdir(), 'sophia-')), name)
    await saveFolder(await openFolder(folderOf(name)), copy, new Map())
    const theirs = await answers({ model: copy, sampling, engine: 'transformers' }, requests)
    assert.equal(
      theirs.map(textOf),
      golden.map(({ text }) => text),
    )
    assert.equal((await answers({ model: copy, sampling }, requests)).map(textOf), ours.map(textOf))
    rmSync(copy, { recursive: true })
  })
}

test('a picture that does not decode fails its own request only', async () => {
  const [{ request, text, length }] = cases('llava')
  const broken = { ...request, images: [new Uint8Array([1, 2, 3])] }
  const made = await answers({ model: folderOf('llava'), sampling: greedy(length) }, [broken, request])
  assert.ok('error' in made[0] && !made[0].error.retryable)
  assert.is(textOf(made[1]), text)
})

test('samples are named by their keys and bounded by the tokens asked for', async () => {
  const request = cases('qwen2')[0].request
  const requests = ['a', 'b', 'c', 'd'].map(id => ({ ...request, keys: [id, 0] }))
  const sampling = { seed: 3, temperature: 1, topP: 0.95, maxTokens: 9 }
  const options = { model: folderOf('qwen2'), sampling, batchSize: 2 }
  const whole = (await answers(options, requests)) as Generated[]
  assert.ok(whole.every(({ tokens, finish }) => (finish === 'length' ? tokens === 9 : tokens <= 9)))
  assert.ok(whole.every(({ logprob }) => logprob < 0))
  assert.ok(new Set(whole.map(textOf)).size > 1)
  const again = await answers(options, requests)
  assert.equal(again, whole)
  const other = await answers({ ...options, sampling: { ...sampling, seed: 4 } }, requests)
  assert.not.equal(other.map(textOf), whole.map(textOf))
})

test('stopping the iteration stops the work', async () => {
  const request = cases('qwen2')[0].request
  const generator = await createGenerator({
    model: folderOf('qwen2'),
    sampling: { seed: 1, temperature: 1, topP: 1, maxTokens: 4 },
    batchSize: 1,
    device: 'cpu',
  })
  let count = 0
  for await (const _ of generator.generate(Array.from({ length: 5000 }, (_, i) => ({ ...request, keys: [i] })))) {
    void _
    if (++count === 3) break
  }
  await generator.close()
  assert.is(count, 3)
})

test('what cannot be is said', async () => {
  const sampling = greedy(4)
  const told = async (options: Partial<GeneratorOptions>, pattern: RegExp) => {
    const error = await createGenerator({ model: folderOf('qwen2'), sampling, device: 'cpu', ...options }).then(
      () => undefined,
      (e: Error) => e,
    )
    assert.match(error?.message ?? 'no error', pattern)
  }
  await told({ sampling: { ...sampling, temperature: -1 } }, /--temperature: expected a number of 0/)
  await told({ sampling: { ...sampling, topP: 0 } }, /--top-p: expected/)
  await told({ adapter: 'x' }, /--adapter x: .* not possible yet/)
  await told({ model: 'nowhere/to/be/found' }, /nowhere/)
})

test.run()
