/** The engine that is elsewhere, against a server of our own that does its worst. */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGenerator } from '../../src/generate/index.ts'
import type { ServerOptions } from '../../src/generate/openai/server.ts'
import type { Failure, Generated, Request, Sampling } from '../../src/generate/types.ts'
import { uniform } from '../../src/random.ts'
import * as moods from './hostile.ts'
import { type Asked, type Hostile, hostile, type Mood, says } from './hostile.ts'

const test = suite('openai')
const quick = { concurrency: 4, tries: 5, backoff: 0.01, timeout: 0.5, timeLimit: 5 }
const draws: Sampling = { seed: 3, temperature: 1, topP: 0.9, maxTokens: 50 }

/** `count` samples of each of `questions`, as caption and its like ask for them. */
function requests(questions: string[], count = 1, images: Uint8Array[] = []): Request[] {
  return questions.flatMap(text => {
    const messages = [{ role: 'user' as const, text, images: images.length }]
    return Array.from({ length: count }, (_, i) => ({ messages, images, keys: [text, i] }))
  })
}

async function ask(
  url: string,
  asked: Request[],
  {
    server = {},
    sampling = draws,
    logprobs = false,
  }: { server?: Partial<ServerOptions>; sampling?: Sampling; logprobs?: boolean } = {},
): Promise<(Generated | Failure)[]> {
  const options = { model: 'M', sampling, server: { ...quick, url, ...server }, logprobs }
  const generator = await createGenerator(options)
  const made: (Generated | Failure)[] = []
  try {
    for await (const answer of generator.generate(asked)) made.push(answer)
  } finally {
    await generator.close()
  }
  return made
}

const seedOf = (request: Request) => Math.floor(uniform(draws.seed, ...request.keys) * 2 ** 31)
/** What a request is answered where it is asked for alone, or as choice `i` of the group that begins with `first`. */
const alone = (request: Request) =>
  says({ messages: [{ role: 'user', content: request.messages[0].text }], seed: seedOf(request) }, 0)
const together = (first: Request, i: number) =>
  says({ messages: [{ role: 'user', content: first.messages[0].text }], seed: seedOf(first) }, i)
const textOf = (answer: Generated | Failure) => ('error' in answer ? answer.error.code : answer.text)
const questions = ['one', 'two', 'three', 'four', 'five', 'six']

async function met<T>(mood: (i: number, asked: Asked) => Mood, use: (server: Hostile) => Promise<T>): Promise<T> {
  const server = await hostile(mood)
  try {
    return await use(server)
  } finally {
    await server.close()
  }
}

test('a request in the server’s words', async () => {
  const png = readFileSync('fixtures/golden/models/llava/picture0.png')
  const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0])
  const messages = [
    { role: 'system' as const, text: 'Think.' },
    { role: 'user' as const, text: 'What?', images: 2 },
  ]
  await met(
    () => moods.well,
    async server => {
      const made = await ask(`${server.url}/`, [{ messages, images: [png, jpeg], keys: ['a', 0] }], {
        logprobs: true,
        server: { extra: { top_k: 20 } },
      })
      assert.is(made.length, 1)
      const [{ at, ...body }] = server.asked
      assert.ok(at > 0)
      assert.equal(body, {
        model: 'M',
        messages: [
          { role: 'system', content: 'Think.' },
          {
            role: 'user',
            content: [
              { type: 'image_url', image_url: { url: `data:image/png;base64,${png.toString('base64')}` } },
              { type: 'image_url', image_url: { url: `data:image/jpeg;base64,${jpeg.toString('base64')}` } },
              { type: 'text', text: 'What?' },
            ],
          },
        ],
        temperature: 1,
        top_p: 0.9,
        max_tokens: 50,
        seed: Math.floor(uniform(3, 'a', 0) * 2 ** 31),
        stream: true,
        stream_options: { include_usage: true },
        logprobs: true,
        top_k: 20,
      })
      assert.is(server.headers[0].authorization, undefined)
    },
  )
})

test('samples of one prompt are one request; their tokens add up to what the server says', async () => {
  const asked = requests(questions, 4)
  await met(
    i => (i % 2 ? moods.well : moods.whole),
    async server => {
      const made = (await ask(server.url, asked)) as Generated[]
      assert.equal(
        server.asked.map(({ n }) => n),
        questions.map(() => 4),
      )
      assert.equal(
        made.map(textOf),
        asked.map((_, i) => together(asked[i - (i % 4)], i % 4)),
      )
      for (const [q] of questions.entries()) {
        const sum = made.slice(4 * q, 4 * q + 4).reduce((total, { tokens }) => total + tokens, 0)
        assert.ok([24, 28].includes(sum), `${sum} tokens`) // streamed in pieces, or whole
      }
      assert.ok(made.every(({ finish, logprob }) => finish === 'stop' && Number.isNaN(logprob)))
    },
  )
})

const passing: [string, Mood][] = [
  ['429', moods.status(429)],
  ['429 with Retry-After', moods.status(429, 'later', { 'retry-after': '0.05' })],
  ['500', moods.status(500)],
  ['503', moods.status(503)],
  ['408', moods.status(408)],
  ['an HTML page', moods.page],
  ['a hung socket', moods.hung],
  ['a stuck stream', moods.stuck],
  ['a stream cut with its connection', moods.cut(true)],
  ['a stream cut politely', moods.cut(false)],
  ['half a JSON', moods.half],
  ['an empty reply', (_, response) => void response.writeHead(200).end()],
  ['no choices', (_, response) => void response.writeHead(200).end('{"choices":[]}')],
  [
    'an error in the stream',
    (_, response) =>
      void response.writeHead(200).end(`${moods.event({ error: { message: 'oom', code: 500 } })}data: [DONE]\n\n`),
  ],
  ['a connection that is reset', (_, response) => void response.destroy()],
]
for (const [name, mood] of passing) {
  test(`${name}: asked again, and every answer is there, once, in order`, async () => {
    const asked = requests(questions)
    await met(
      i => (i % 2 === 0 ? mood : moods.well),
      async server =>
        assert.equal((await ask(server.url, asked, { server: { tries: 12 } })).map(textOf), asked.map(alone)),
    )
  })
  test(`${name}, for ever: the row carries an error that can be tried again`, async () => {
    const asked = requests(['bad', 'good'])
    await met(
      (_, body) => (moods.promptOf(body) === 'bad' ? mood : moods.well),
      async server => {
        const [bad, good] = await ask(server.url, asked, { server: { tries: 2 } })
        assert.ok('error' in bad && bad.error.retryable, JSON.stringify(bad))
        assert.match(bad.error.message, /^http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions: .*\(tried 2 times\)$/)
        assert.not.match(bad.error.message, /[<>]/)
        assert.is(textOf(good), alone(asked[1]))
        assert.is(server.asked.filter(body => moods.promptOf(body) === 'bad').length, 2)
      },
    )
  })
}

test('slow drips: waited for while bytes come, and no longer than the limit', async () => {
  const asked = requests(['one'])
  await met(
    () => moods.drip(30, 30),
    async server => {
      const patient = { server: { timeout: 0.3 } }
      assert.is(textOf((await ask(server.url, asked, patient))[0]), alone(asked[0]))
      const [late] = await ask(server.url, asked, { server: { tries: 1, timeLimit: 0.1 } })
      assert.ok('error' in late && late.error.code === 'timeout' && late.error.retryable)
    },
  )
})

test('a 429 storm slows everybody down; Retry-After is honoured by all', async () => {
  const many = Array.from({ length: 24 }, (_, i) => `question ${i}`)
  await met(
    i => (i < 8 ? moods.status(429, 'slow down', { 'retry-after': '0.4' }) : moods.well),
    async server => {
      const asked = requests(many)
      assert.equal((await ask(server.url, asked, { server: { concurrency: 8 } })).map(textOf), asked.map(alone))
      const after = server.asked.slice(8).map(({ at }) => at - server.asked[0].at)
      assert.ok(
        after.every(ms => ms >= 399),
        `the first again after ${Math.round(after[0])} ms`,
      )
      assert.ok(server.most <= 8)
    },
  )
})

test('fewer choices than n: the others are asked for one by one', async () => {
  const asked = requests(['one'], 4)
  await met(
    () => moods.few(2),
    async server => {
      const made = await ask(server.url, asked)
      assert.equal(made.map(textOf), [0, 1].map(i => together(asked[0], i)).concat(asked.slice(2).map(alone)))
      assert.equal(
        server.asked.map(({ n }) => n),
        [4, undefined, undefined],
      )
    },
  )
})

test('a server that does not know n is asked singly from then on', async () => {
  for (const refuse of [moods.status(400, 'Only one completion choice is allowed'), moods.few(1)]) {
    const asked = requests(questions, 3)
    await met(
      (_, { n }) => (n ? refuse : moods.well),
      async server => {
        const options = { server: { concurrency: 1 } }
        const made = (await ask(server.url, asked, options)).map(textOf)
        assert.equal(new Set(made).size, made.length)
        assert.equal(made.slice(-2), asked.slice(-2).map(alone))
        const several = server.asked.filter(({ n }) => n).length
        assert.ok(several < questions.length, `${several} times asked for several`)
      },
    )
  }
})

test('greedy samples are not asked for together', async () => {
  await met(
    () => moods.well,
    async server => {
      await ask(server.url, requests(['one'], 2), { sampling: { ...draws, temperature: 0 } })
      assert.equal(
        server.asked.map(({ n }) => n),
        [undefined, undefined],
      )
    },
  )
})

test('parameters that a server does not know are left out, where the draw stays the same', async () => {
  const refusals: Record<string, string> = {
    max_tokens: "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    logprobs: 'logprobs is not supported with this model',
    seed: 'seed: extra fields not permitted',
    stream_options: 'unknown field "stream_options"',
    temperature: "'temperature' does not support this value",
  }
  const picky = (_: number, body: Asked) => {
    const name = Object.keys(refusals).find(key => key in body)
    return name === undefined ? moods.well : moods.status(400, refusals[name])
  }
  await met(picky, async server => {
    const made = await ask(server.url, requests(questions), { logprobs: true })
    assert.ok(made.every(answer => 'text' in answer))
    const last = server.asked.at(-1)!
    assert.equal([last.max_completion_tokens, last.top_p], [50, 0.9])
    assert.ok(server.asked.length < 40)
  })
  await met(picky, async server => {
    const [failed] = await ask(server.url, requests(['one']), { sampling: { ...draws, temperature: 0.6 } })
    assert.ok('error' in failed && !failed.error.retryable)
    assert.match(failed.error.message, /'temperature' does not support this value/)
  })
})

test('a row that is refused carries the server’s words and is not tried again', async () => {
  const asked = requests(['bad', 'good'], 2)
  await met(
    (_, body) => (moods.promptOf(body) === 'bad' ? moods.status(400, 'prompt too long') : moods.well),
    async server => {
      const made = await ask(server.url, asked)
      for (const bad of made.slice(0, 2))
        assert.ok('error' in bad && !bad.error.retryable && /status 400: prompt too long$/.test(bad.error.message))
      assert.equal(
        made.slice(2).map(textOf),
        [0, 1].map(i => together(asked[2], i)),
      )
    },
  )
  const [failed] = await met(
    () => moods.well,
    ({ url }) => ask(url, requests(['x'], 1, [Buffer.from('no picture')])),
  )
  assert.ok('error' in failed && failed.error.code === 'image' && !failed.error.retryable)
})

test('401, 403, 404 at first end the run and say what to do; later they are the row’s', async () => {
  for (const [code, advice] of [
    [401, /status 401: no\. Put the API key .* --api-key-env/],
    [403, /--api-key-env/],
    [404, /status 404: no\. Check that the URL ends .*\/v1/],
    [308, /points to/],
  ] as const) {
    await met(
      () => moods.status(code),
      async server => {
        const error = await ask(server.url, requests(questions)).then(
          () => undefined,
          (e: Error) => e,
        )
        assert.is(error?.name, 'UserError')
        assert.match(error?.message ?? '', advice)
        assert.ok(server.asked.length <= quick.concurrency)
      },
    )
    await met(
      i => (i === 0 ? moods.well : moods.status(code)),
      async server => {
        const [good, bad] = await ask(server.url, requests(['one', 'two']), { server: { concurrency: 1 } })
        assert.ok('text' in good && 'error' in bad && bad.error.retryable)
        assert.is(server.asked.length, 2)
      },
    )
  }
})

test('nobody there', async () => {
  const server = await hostile(() => moods.well)
  await server.close()
  const error = await ask(server.url, requests(['one']), { server: { tries: 2 } }).then(
    () => undefined,
    (e: Error) => e,
  )
  assert.is(error?.name, 'UserError')
  assert.match(error?.message ?? '', /ECONNREFUSED.*tried 2 times.*Check that the server is running/)
})

test('the key comes from the environment and goes nowhere else', async () => {
  const secret = 'sk-very-secret-0123456789'
  process.env.SOPHIA_TEST_KEY = secret
  const server = { keyEnv: 'SOPHIA_TEST_KEY', tries: 2 }
  const notes: string[] = []
  for (const code of [200, 400, 401, 429, 500]) {
    await met(
      () => moods.echo(code),
      async ({ url, headers }) => {
        const note = (text: string) => void notes.push(text)
        const made = await ask(url, requests(['one']), { server: { ...server, note } }).catch((e: Error) => e.message)
        assert.is(headers[0].authorization, `Bearer ${secret}`)
        assert.match(JSON.stringify(made), /\[API key\]/)
        assert.not.match(JSON.stringify(made), new RegExp(secret))
      },
    )
  }
  // in the middle of which a message is cut
  for (const body of ['x'.repeat(70) + secret, JSON.stringify({ error: { message: 'x'.repeat(290) + secret } })])
    for (const code of [200, 500])
      await met(
        () => (_, response) => void response.writeHead(code).end(body.startsWith('x') ? `{${body}` : body),
        async ({ url }) => {
          const [made] = await ask(url, requests(['one']), { server: { ...server, tries: 1 } })
          assert.ok('error' in made)
          assert.not.match(made.error.message, /sk-very-s/)
        },
      )
  assert.is(notes.length, 2)
  assert.not.match(notes.join(), new RegExp(secret))
  process.env.SOPHIA_TEST_KEY = 'a\nb'
  const wrong = (options: Partial<ServerOptions>) =>
    ask('http://127.0.0.1:1/v1', [], { server: options }).then(
      () => '',
      (e: Error) => e.message,
    )
  assert.match(await wrong(server), /SOPHIA_TEST_KEY: expected an API key without spaces/)
  delete process.env.SOPHIA_TEST_KEY
  assert.match(await wrong(server), /SOPHIA_TEST_KEY was named .* not set/)
  assert.match(await wrong({ url: 'localhost:8000' }), /expected a URL/)
  assert.match(await wrong({ url: 'http://me:pass@x/v1' }), /keys come from the environment/)
})

test('thoughts keep their tags, and have them once', async () => {
  type Part = Record<string, unknown>
  const cases: [Part[], string, string?][] = [
    [
      [{ reasoning_content: 'I ' }, { reasoning_content: 'think.' }, { content: '\n\nFour.' }],
      '<think>\nI think.\n</think>\n\nFour.',
    ],
    [[{ reasoning: 'Hm.', reasoning_content: 'Hm.' }, { content: '4' }], '<think>\nHm.\n</think>\n\n4'],
    [[{ reasoning: 'Hm.' }, { content: '<think>Hm.</think>4' }], '<think>Hm.</think>4'],
    [[{ reasoning_content: 'I thi' }], '<think>\nI thi', 'length'],
    [[{ content: 'Hm.</think>4' }], 'Hm.</think>4'],
    [[{ reasoning_content: '' }, { content: '4', reasoning_content: null }], '4'],
    [
      [
        {
          content: [
            { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
            { type: 'text', text: '4' },
          ],
        },
      ],
      '<think>\nHm.\n</think>\n\n4',
    ],
    [[{ content: null, refusal: 'I cannot.' }], 'I cannot.'],
  ]
  const reply = (parts: Part[], stream: boolean, finish = 'stop') => {
    const last = { choices: [{ index: 0, delta: {}, finish_reason: finish }], usage: { completion_tokens: 9 } }
    const events = [...parts.map(delta => ({ choices: [{ index: 0, delta, finish_reason: null }] })), last]
    if (stream) return `: hello\n\n${events.map(moods.event).join('')}data: [DONE]\n\n`
    const message: Part = {}
    for (const part of parts)
      for (const [key, value] of Object.entries(part))
        message[key] = typeof value === 'string' ? `${message[key] ?? ''}${value}` : value
    return JSON.stringify({ choices: [{ message, finish_reason: finish }], usage: { completion_tokens: 9 } })
  }
  for (const [parts, text, finish] of cases)
    for (const stream of [true, false])
      await met(
        () => (_, response) => void response.writeHead(200).end(reply(parts, stream, finish)),
        async ({ url }) => {
          const made = await ask(url, requests(['one']))
          assert.equal(made, [{ text, tokens: 9, finish: finish ?? 'stop', logprob: Number.NaN }])
        },
      )
})

test('log-probabilities are summed; what is filtered is an error of the row', async () => {
  const content = [{ logprob: -0.5 }, { logprob: -0.25 }]
  const choice = (finish_reason: string) => ({
    index: 0,
    delta: { content: 'x' },
    logprobs: { content },
    finish_reason,
  })
  for (const finish of ['length', 'content_filter'])
    await met(
      () => (_, response) => void response.writeHead(200).end(moods.event({ choices: [choice(finish)] })),
      async ({ url }) => {
        const [made] = await ask(url, requests(['one']), { logprobs: true })
        if (finish === 'length') assert.equal(made, { text: 'x', tokens: 2, finish: 'length', logprob: -0.75 })
        else assert.ok('error' in made && made.error.code === 'filtered' && !made.error.retryable)
      },
    )
})

test('stopping the iteration stops the work', async () => {
  await met(
    i => (i === 0 ? moods.well : moods.hung),
    async server => {
      const options = { model: 'M', sampling: draws, server: { ...quick, url: server.url, timeout: 60 } }
      const generator = await createGenerator(options)
      for await (const _ of generator.generate(requests(questions))) {
        void _
        break
      }
      await new Promise(done => setTimeout(done, 50))
      assert.is(server.open, 0)
      const stuck = generator.generate(requests(['one'])).next()
      await new Promise(done => setTimeout(done, 50))
      await generator.close()
      assert.match(
        await stuck.then(
          () => '',
          (e: Error) => e.message,
        ),
        /stopped/,
      )
    },
  )
})

test.run()
