/** --base-url as a person uses it: against a server that does its worst, killed, resumed, retried. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { uniform } from '../../src/random.ts'
import * as moods from '../generate/hostile.ts'
import { type Hostile, hostile, type Mood, promptOf, says } from '../generate/hostile.ts'
import { ended, linesOf, rowsOf, shell, sophia, start, temporary } from './sophia.ts'

const test = suite('base-url')
const dir = temporary()
const at = (name: string) => join(dir, name)
const secret = 'sk-do-not-tell-anybody-42'
const quick = (own: string[] = []) =>
  Object.entries({ '--concurrency': '4', '--tries': '12', '--backoff': '0.01', '--timeout': '0.5' })
    .filter(([flag]) => !own.includes(flag))
    .flat()
const servers: Hostile[] = []
const serve = async (mood: Parameters<typeof hostile>[0]) => {
  const server = await hostile(mood)
  servers.push(server)
  return server
}
test.after(async () => {
  for (const server of servers) await server.close()
})

interface Made {
  id: string
  caption?: { index: number; text: string; logprob: number | null }
  trajectory?: { index: number; text: string; model: string; tokens: number; finish: string }
  error?: { stage: string; code: string; message: string; retryable: boolean }
}

const count = 40
const captions = Array.from({ length: count }, (_, i) => ({
  id: `p${i}`,
  question: `Question ${i}?`,
  answer: i,
  caption: { index: 0, text: `Picture ${i}.`, tokens: 2, finish: 'stop', logprob: -1 },
}))
writeFileSync(at('captions.jsonl'), linesOf(captions))
writeFileSync(at('prompt.txt'), '{caption} {question}\n')
const reason = (server: Hostile, ...args: string[]) => [
  ...['reason', '-q', at('captions.jsonl'), '--base-url', server.url, '--model', 'M', '--prompt', at('prompt.txt')],
  ...['--trajectories', '2', ...quick(args), ...args],
]
const env = { OPENAI_API_KEY: secret }

/** What the rows have to say, if the draws are those of the rows' names. */
const expected = captions.flatMap(({ id, question, caption }) => {
  const seed = Math.floor(uniform(0, id, 0, 0) * 2 ** 31)
  const messages = [{ role: 'user', content: `${caption.text} ${question}` }]
  return [0, 1].map(i => [id, i, says({ messages, seed }, i)])
})
const told = (text: string) => rowsOf<Made>(text).map(({ id, trajectory }) => [id, trajectory?.index, trajectory?.text])

test('every row once and in order, whatever the server does; no key anywhere', async () => {
  const worst: Mood[] = [
    moods.status(429, 'x', { 'retry-after': '0.02' }),
    moods.status(500),
    moods.hung,
    moods.cut(true),
    moods.half,
    moods.page,
    moods.echo(429),
    moods.stuck,
  ]
  const fine = [moods.well, moods.whole, moods.drip(1, 301)]
  const server = await serve(i => (i % 2 ? fine[(i >> 1) % 3] : worst[(i >> 1) % 8]))
  const { code, stdout, stderr } = await sophia(reason(server), '', env)
  assert.is(stderr, '')
  assert.is(code, 0)
  assert.equal(told(stdout), expected)
  const [{ trajectory }] = rowsOf<Made>(stdout)
  assert.equal(Object.keys(trajectory!), ['index', 'text', 'tokens', 'finish', 'model'])
  assert.is(trajectory!.model, 'M')
  assert.is(server.headers[0].authorization, `Bearer ${secret}`)
  assert.ok(server.most <= 4)
  assert.not.match(stdout, new RegExp(secret))
})

test('rows that fail carry a retryable error, and --retry-errors heals them', async () => {
  let bad = true
  const server = await serve((_, asked) =>
    bad && /Question \d?[37]\?/.test(promptOf(asked)) ? moods.echo(500) : moods.well,
  )
  const failing = ['-o', at('failed.jsonl'), '--tries', '2']
  const first = await sophia(reason(server, ...failing), '', env)
  assert.is(first.code, 3)
  const rows = rowsOf<Made>(readFileSync(at('failed.jsonl'), 'utf8'))
  assert.equal(
    [...new Set(rows.map(({ id }) => id))],
    captions.map(({ id }) => id),
  )
  const failed = rows.filter(({ error }) => error)
  assert.is(failed.length, 8)
  for (const { error, trajectory } of failed) {
    assert.is(trajectory, undefined)
    assert.ok(error!.retryable && error!.stage === 'reason' && error!.code === 'server', JSON.stringify(error))
    assert.match(error!.message, /status 500: I do not like Bearer \[API key\] \(tried 2 times\)/)
  }
  bad = false
  const again = reason(server, '--retry-errors').map(arg => (arg === at('captions.jsonl') ? at('failed.jsonl') : arg))
  const healed = await sophia(again, '', env)
  assert.is(healed.code, 0)
  assert.equal(told(healed.stdout), expected)
  assert.not.match(readFileSync(at('failed.jsonl'), 'utf8') + healed.stdout, new RegExp(secret))
})

test('kill -9 in the middle, --resume: the same bytes, and little is asked twice', async () => {
  const server = await serve(i => (i > 20 && i < 60 ? moods.drip(5, 40) : moods.well))
  const child = start(reason(server, '-o', at('cut.jsonl')), { env: { ...process.env, ...env } })
  const end = ended(child)
  const part = at('cut.jsonl.part')
  for (let i = 0; i < 600 && !((statSync(part, { throwIfNoEntry: false })?.size ?? 0) > 3000); i++)
    await new Promise(done => setTimeout(done, 10))
  child.kill('SIGKILL')
  assert.is((await end).signal, 'SIGKILL')
  const there = rowsOf<Made>(readFileSync(part, 'utf8').replace(/[^\n]*$/, '')).length
  assert.ok(there > 0 && there < expected.length, `${there} rows`)
  const before = server.asked.length
  const { code } = await sophia(reason(server, '-o', at('cut.jsonl'), '--resume'), '', env)
  assert.is(code, 0)
  assert.equal(told(readFileSync(at('cut.jsonl'), 'utf8')), expected)
  assert.is(server.asked.length - before, count - Math.floor(there / 2))
})

test('SIGINT and a reader that leaves end it at once, requests and all', async () => {
  const server = await serve(i => (i < 2 ? moods.well : moods.hung))
  const slow = reason(server, '-o', at('int.jsonl'), '--timeout', '60')
  const child = start(slow, { env: { ...process.env, ...env } })
  const end = ended(child)
  for (let i = 0; i < 600 && server.asked.length < 6; i++) await new Promise(done => setTimeout(done, 10))
  child.kill('SIGINT')
  assert.is((await end).code, 130)
  await new Promise(done => setTimeout(done, 100))
  assert.is(server.open, 0)
  assert.ok(rowsOf<Made>(readFileSync(at('int.jsonl.part'), 'utf8')).length <= 4)
  const leaving = await serve(i => (i < 3 ? moods.well : moods.drip(20)))
  const args = reason(leaving, '--timeout', '60').map(arg => `'${arg}'`)
  const { stdout, seconds } = await shell(`$SOPHIA ${args.join(' ')} | head -1`, dir)
  assert.is(rowsOf<Made>(stdout).length, 1)
  assert.ok(seconds < 20)
})

test('pictures: caption, with log-probabilities that the server does not tell', async () => {
  const server = await serve(() => moods.well)
  const flags = ['--base-url', server.url, '--model', 'M', '--captions', '3', '--limit', '2', '-q', ...quick()]
  const { code, stdout } = await sophia(['caption', 'fixtures/world/test.parquet', ...flags])
  assert.is(code, 0)
  const rows = rowsOf<Made>(stdout)
  assert.equal(
    rows.map(({ caption }) => caption?.index),
    [0, 1, 2, 0, 1, 2],
  )
  assert.equal(Object.keys(rows[0].caption!), ['index', 'text', 'tokens', 'finish', 'logprob'])
  assert.is(rows[0].caption!.logprob, null)
  assert.is(server.asked.length, 2)
  const [{ messages, n, logprobs }] = server.asked
  assert.equal([n, logprobs], [3, true])
  assert.match(JSON.stringify(messages), /"url":"data:image\/png;base64,iVBOR/)
})

test('eval, and no key in its result', async () => {
  const server = await serve(() => moods.well)
  const flags = ['--base-url', server.url, '--model', 'M', '--limit', '3', '-o', at('responses.jsonl'), ...quick()]
  const { code, stderr } = await sophia(
    ['eval', 'fixtures/world/test.parquet', '--summary', at('result.json'), ...flags],
    '',
    env,
  )
  assert.is(code, 0)
  assert.is(rowsOf<Made>(readFileSync(at('responses.jsonl'), 'utf8')).length, 3)
  const written = stderr + readFileSync(at('responses.jsonl'), 'utf8') + readFileSync(at('result.json'), 'utf8')
  assert.not.match(written, new RegExp(secret))
  assert.is(JSON.parse(readFileSync(at('result.json'), 'utf8')).sophia.n, 3)
})

test('wrong usage and a server that does not let us in say what to do', async () => {
  const server = await serve(() => moods.echo(401))
  const cases: [string[], number, RegExp][] = [
    [reason(server, '--device', 'cpu'), 2, /--device=cpu cannot also be provided when using --base-url/],
    [reason(server, '--dtype', 'fp16'), 2, /--dtype=fp16 cannot also be provided when using --base-url/],
    [reason(server, '--profile'), 2, /--profile=true cannot also be provided when using --base-url/],
    [reason(server, '--api-key-env', 'SOPHIA_NO_SUCH_KEY'), 2, /SOPHIA_NO_SUCH_KEY was named .* not set/],
    [reason(server, '--extra-body', '[1]'), 2, /expected a JSON object/],
    [reason({ ...server, url: 'nowhere' }), 2, /expected a URL such as http:\/\/localhost:8000\/v1/],
    [reason(server), 1, /status 401: I do not like Bearer \[API key\]\. Put the API key .*environment/],
  ]
  for (const [args, code, pattern] of cases) {
    const made = await sophia(args, '', env)
    assert.match(made.stderr, pattern)
    assert.is(made.code, code)
    assert.not.match(made.stderr, new RegExp(`${secret}|\\n\\s+at `))
  }
  const { stdout } = await sophia(['caption', '--help'])
  assert.match(stdout, /SERVER FLAGS\n(.*\n)*?.*--base-url=URL/)
})

test.run()
