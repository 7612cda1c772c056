import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGenerator, type GeneratorOptions } from '../../src/generate/index.ts'
import type { Failure, Generated, Message, Request } from '../../src/generate/types.ts'
import { readRows } from '../../src/io/source.ts'
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

async function open(options: GeneratorOptions) {
  const generator = await createGenerator({ device: 'cpu', quiet: true, ...options })
  const ask = async (requests: Request[]) => {
    const made: (Generated | Failure)[] = []
    for await (const answer of generator.generate(requests)) made.push(answer)
    return made
  }
  return { ask, generate: generator.generate, close: generator.close }
}
const textOf = (answer: Generated | Failure) => ('error' in answer ? answer.error.message : answer.text)

test('the tiny policy: both engines give the same greedy captions and answers', async () => {
  const requests: Request[] = []
  for await (const row of readRows('fixtures/world/test.parquet')) {
    const images = (row.images as { bytes: Uint8Array }[]).map(({ bytes }) => bytes)
    for (const text of ['Describe the image.', String(row.question)])
      requests.push({ messages: [{ role: 'user', text, images: 1 }], images, keys: [requests.length] })
    if (requests.length === 8) break
  }
  const engines = (['onnx', 'transformers'] as const).map(engine =>
    open({ model: 'fixtures/policy', engine, sampling: greedy(64) }),
  )
  const [ours, theirs] = await Promise.all(
    engines.map(async opened => {
      const { ask, close } = await opened
      const texts = (await ask(requests)).map(textOf)
      await close()
      return texts
    }),
  )
  assert.match(ours[0], /^A (board|bar chart): /)
  assert.equal(ours, theirs)
})

for (const name of ['llava', 'qwen2']) {
  test(`${name}: greedy texts are Hugging Face's, and transformers.js' own`, async () => {
    const golden = cases(name)
    assert.ok(golden.length > 1)
    const requests = golden.map(({ request }) => request)
    const sampling = greedy(golden[0].length)
    const texts = golden.map(({ text }) => text)
    const copy = join(mkdtempSync(join(tmpdir(), 'sophia-')), name)
    await saveFolder(await openFolder(folderOf(name)), copy, new Map())

    const ours = await open({ model: name === 'llava' ? folderOf(name) : copy, sampling })
    assert.equal((await ours.ask(requests)).map(textOf), texts)
    if (name === 'llava') {
      const [failed, answer] = await ours.ask([{ ...requests[0], images: [new Uint8Array([1, 2, 3])] }, requests[0]])
      assert.ok('error' in failed && !failed.error.retryable, 'a picture that does not decode fails its own request')
      assert.is(textOf(answer), texts[0])
    }
    await ours.close()

    const theirs = await open({ model: copy, sampling, engine: 'transformers' })
    assert.equal((await theirs.ask(requests)).map(textOf), texts)
    await theirs.close()
    rmSync(copy, { recursive: true })
  })
}

test('samples are named by their keys and bounded by the tokens asked for', async () => {
  const request = cases('qwen2')[0].request
  const requests = ['a', 'b', 'c', 'd'].map(id => ({ ...request, keys: [id, 0] }))
  const sampling = { seed: 3, temperature: 1, topP: 0.95, maxTokens: 9 }
  const options = { model: folderOf('qwen2'), sampling, batchSize: 2 }
  const { ask, close } = await open(options)
  const whole = (await ask(requests)) as Generated[]
  assert.ok(whole.every(({ tokens, finish }) => (finish === 'length' ? tokens === 9 : tokens <= 9)))
  assert.ok(whole.every(({ logprob }) => logprob < 0))
  assert.ok(new Set(whole.map(textOf)).size > 1)
  assert.equal(await ask(requests), whole)
  await close()
  const other = await open({ ...options, sampling: { ...sampling, seed: 4 } })
  assert.not.equal((await other.ask(requests)).map(textOf), whole.map(textOf))
  await other.close()
})

test('stopping the iteration stops the work', async () => {
  const request = cases('qwen2')[0].request
  const { ask, generate, close } = await open({
    model: folderOf('qwen2'),
    sampling: { seed: 1, temperature: 1, topP: 1, maxTokens: 4 },
    batchSize: 2,
  })
  let count = 0
  for await (const _ of generate(Array.from({ length: 5000 }, (_, i) => ({ ...request, keys: [i] })))) {
    void _
    if (++count === 3) break
  }
  assert.is((await ask([request])).length, 1, 'and the generator works on')
  await close()
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
  await told({ adapter: 'x' }, /x: expected a PEFT adapter, found no adapter_config/)
  await told({ adapter: 'x', engine: 'transformers' }, /transformers.js has no adapters/)
  await told({ profile: true, engine: 'transformers' }, /--profile: the graphs of transformers.js/)
  await told({ model: 'nowhere/to/be/found' }, /nowhere/)
})

test.run()
