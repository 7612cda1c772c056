/** --extract-url and --judge-url as processes, on a server that misbehaves: resumed, retried, told in the result. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row, Verdict } from '../../src/sophia/rows.ts'
import type { Response } from '../../src/sophia/score.ts'
import * as moods from '../generate/hostile.ts'
import { event, type Hostile, hostile, type Mood, promptOf } from '../generate/hostile.ts'
import { ended, linesOf, rowsOf, sophia, start, temporary } from './sophia.ts'

const test = suite('grader')
const dir = temporary()
const at = (name: string) => join(dir, name)
const secret = 'sk-do-not-tell-anybody-42'
const env = { GRADER_KEY: secret }
const quick = ['--concurrency', '4', '--backoff', '0.01', '--timeout', '1']
const servers: Hostile[] = []
test.after(async () => {
  for (const server of servers) await server.close()
})

/** Reads the number after "perhaps", and calls it right where it is the gold. */
const sensible: Mood = (asked, response) => {
  const prompt = promptOf(asked)
  const part = (name: string) => new RegExp(`\n${name}:\n([\\s\\S]*?)\n\n`).exec(prompt)?.[1] ?? ''
  const said = prompt.includes('\nResponse:\n')
    ? (/perhaps (\d+)/.exec(part('Response'))?.[1] ?? 'NONE')
    : part('Given answer') === part('Correct answer')
      ? 'yes'
      : 'no'
  response
    .writeHead(200)
    .end(`${event({ choices: [{ index: 0, delta: { content: said }, finish_reason: 'stop' }] })}data: [DONE]\n\n`)
}

async function serve(mood: (i: number, prompt: string) => Mood): Promise<Hostile> {
  const server = await hostile((i, asked) => mood(i, promptOf(asked)))
  servers.push(server)
  return server
}

/** Answer i is right where i is no multiple of 3; rules alone would read the last number, which is never right. */
const count = 30
const answers = Array.from({ length: count }, (_, i) => ({
  id: `p${i}`,
  question: `Question ${i}?`,
  answer: String(i),
  response: `<think>perhaps 1000</think>I say perhaps ${i % 3 ? i : 777}. See page 5000`,
}))
writeFileSync(at('answers.jsonl'), linesOf(answers))
const graders = ({ url }: Hostile) => [
  ...['--extract-url', url, '--extract-model', 'E', '--extract-key-env', 'GRADER_KEY'],
  ...['--judge-url', url, '--judge-model', 'J', '--judge-key-env', 'GRADER_KEY', ...quick],
]
const expected = answers.map(({ id }, i) => [id, i % 3 ? 1 : 0, String(i % 3 ? i : 777)])
const told = (rows: Row[]) =>
  rows.map(({ id, response }) => {
    const { verdict, extraction } = response as Response
    assert.equal([verdict.judge, extraction?.model, extraction?.text], ['J', 'E', verdict.answer])
    return [id, verdict.reward, verdict.answer]
  })

test('saved answers: an LLM reads, an LLM judges, and the result says so; no key anywhere', async () => {
  const worst = [moods.status(500), moods.echo(429), moods.cut(true), moods.half, moods.page]
  const server = await serve(i => (i % 2 ? sensible : worst[(i >> 1) % 5]))
  const args = ['eval', '--responses', at('answers.jsonl'), ...graders(server), '--tries', '12']
  const { code, stdout, stderr } = await sophia([...args, '--summary', at('result.json')], '', env)
  assert.is(code, 0)
  assert.equal(told(rowsOf(stdout)), expected)
  const { sophia: result } = JSON.parse(readFileSync(at('result.json'), 'utf8'))
  assert.equal([result.settings.judge, result.settings.extractor], ['J', 'E'])
  assert.is(result.accuracy, 66.6667)
  assert.is(server.headers[0].authorization, `Bearer ${secret}`)
  assert.is(server.asked[0].temperature, 0)
  assert.ok(server.most <= 8)
  assert.not.match(stdout + stderr + JSON.stringify(result), new RegExp(secret))
})

test('the extractor alone: the rules judge what it read', async () => {
  const server = await serve(() => sensible)
  const args = ['eval', '--responses', at('answers.jsonl'), '-q', '--summary', at('rules.json')]
  const { stdout } = await sophia([...args, '--extract-url', server.url, '--extract-model', 'E', ...quick])
  const rows = rowsOf(stdout)
  assert.equal(
    rows.map(({ response }) => (response as Response).verdict.reward),
    expected.map(([, reward]) => reward),
  )
  assert.ok(rows.every(({ response }) => (response as Response).verdict.judge === undefined))
  const { settings } = JSON.parse(readFileSync(at('rules.json'), 'utf8')).sophia
  assert.equal([settings.judge, settings.extractor], ['strict', 'E'])
})

test('a failed grade is a retryable error; --retry-errors heals it, and asks for nothing else', async () => {
  let bad = true
  const server = await serve((_, prompt) => (bad && /Question 1?[48]\?/.test(prompt) ? moods.echo(500) : sensible))
  const args = ['eval', '-q', ...graders(server), '--tries', '2']
  const first = await sophia([...args, '--responses', at('answers.jsonl'), '-o', at('failed.jsonl')], '', env)
  assert.is(first.code, 3)
  const failed = rowsOf(readFileSync(at('failed.jsonl'), 'utf8')).filter(row => row.error)
  assert.equal(
    failed.map(({ id }) => id),
    ['p4', 'p8', 'p14', 'p18'],
  )
  assert.match(JSON.stringify(failed[0].error), /"stage":"eval","code":"server".*\[API key\].*"retryable":true/)
  bad = false
  const healed = await sophia([...args, '--responses', at('failed.jsonl'), '--retry-errors'], '', env)
  assert.is(healed.code, 0)
  assert.equal(told(rowsOf(healed.stdout)), expected)
})

test('the policy answers, LLMs grade, kill -9, --resume: each response once', async () => {
  // What the policy says at temperature 0 is the same both times.
  const server = await serve((_, prompt) => (prompt.includes('\nResponse:\n') ? saying('5') : saying('no')))
  const policy = [
    '--model',
    'fixtures/policy',
    '--device',
    'cpu',
    '--max-tokens',
    '8',
    '--temperature',
    '0',
    '--samples',
    '2',
  ]
  const args = ['eval', 'fixtures/world/test.parquet', '-q', '--limit', '6', ...policy, ...graders(server)]
  const whole = await sophia([...args, '-o', at('whole.jsonl')], '', env)
  assert.is(whole.code, 0)
  const rows = rowsOf(readFileSync(at('whole.jsonl'), 'utf8'))
  assert.is(rows.length, 12)
  for (const { response } of rows) {
    const { verdict } = response as Response
    if (verdict.judge) assert.equal(verdict, { reward: 0, answer: '5', reason: 'wrong', judge: 'J' })
  }
  const part = at('cut.jsonl.part')
  const child = start([...args, '-o', at('cut.jsonl')], { env: { ...process.env, ...env } })
  const end = ended(child)
  for (let i = 0; i < 1500 && !(statSync(part, { throwIfNoEntry: false })?.size ?? 0); i++)
    await new Promise(done => setTimeout(done, 10))
  child.kill('SIGKILL')
  await end
  const { code } = await sophia([...args, '-o', at('cut.jsonl'), '--resume'], '', env)
  assert.is(code, 0)
  assert.is(readFileSync(at('cut.jsonl'), 'utf8'), readFileSync(at('whole.jsonl'), 'utf8'))
})

test('reward by an LLM; wrong usage', async () => {
  const server = await serve(() => sensible)
  const rows = [7, 8].map(n =>
    JSON.stringify({ id: `r${n}`, question: '?', answer: '7', trajectory: { text: String(n), finish: 'stop' } }),
  )
  const judge = ['--judge-url', server.url, '--judge-model', 'J']
  const { code, stdout } = await sophia(['reward', '-q', ...judge, ...quick], rows.join('\n'))
  assert.is(code, 0)
  assert.equal(
    rowsOf(stdout).map(({ verdict }) => verdict as Verdict),
    [
      { reward: 1, answer: '7', reason: 'right', judge: 'J' },
      { reward: 0, answer: '8', reason: 'wrong', judge: 'J' },
    ],
  )
  const cases: [string[], RegExp][] = [
    [['--judge-url', server.url], /must be provided when using --judge-url: --judge-model/],
    [[...judge, '--judge', 'strict'], /--judge=strict cannot also be provided when using --judge-url/],
    [[...judge, '--reward-command', 'cat'], /cannot also be provided/],
    [[...judge, '--judge-key-env', 'SOPHIA_NO_SUCH_KEY'], /SOPHIA_NO_SUCH_KEY was named/],
  ]
  for (const [args, pattern] of cases) {
    const made = await sophia(['reward', ...args], rows.join('\n'))
    assert.match(made.stderr, pattern)
    assert.is(made.code, 2)
  }
})

test.run()

function saying(text: string): Mood {
  return (_, response) =>
    void response
      .writeHead(200)
      .end(event({ choices: [{ index: 0, delta: { content: text }, finish_reason: 'stop' }] }))
}
