/** `sophia reward --reward-command`: a scorer that is the user's, in a pipe, killed, resumed. No Python is needed. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ended, sophia, start, temporary, thoughts } from './sophia.ts'

const test = suite('reward-command')
const dir = temporary()
const at = (name: string) => join(dir, name)
const failed = '{"id":"f","error":{"stage":"reason","code":"x","message":"x","retryable":true}}\n'
writeFileSync(at('thoughts.jsonl'), thoughts(100) + failed + thoughts(100).replaceAll('"p', '"q'))
writeFileSync(
  at('score.cjs'),
  `const pause = Number(process.argv[2] ?? 0)
  const lines = require('node:readline').createInterface({ input: process.stdin })
  ;(async () => {
    for await (const line of lines) {
      const { id, trajectory } = JSON.parse(line)
      if (pause) await new Promise(done => setTimeout(done, pause))
      const reward = trajectory.tokens % 3 === 0 ? 1 : 0
      console.log(JSON.stringify({ reward, answer: id, reason: 'tokens ' + trajectory.tokens }))
    }
  })()`,
)
const command = (pause = 0) => `"${process.execPath}" "${at('score.cjs')}" ${pause}`
const reward = (scorer: string, ...args: string[]) => ['reward', '-q', '--reward-command', scorer, ...args]

test('every row, in order, with its verdict; error rows pass by', async () => {
  const { code, stdout, stderr } = await sophia(reward(command(), at('thoughts.jsonl')))
  assert.is(stderr, '')
  assert.is(code, 3) // the row that came with an error
  const given = readFileSync(at('thoughts.jsonl'), 'utf8').trim().split('\n')
  const made = stdout.trim().split('\n')
  assert.is(made.length, given.length)
  for (const [i, line] of made.entries()) {
    const { verdict, ...rest } = JSON.parse(line)
    assert.equal(rest, JSON.parse(given[i]))
    if (!rest.error) assert.equal(verdict, scoreOf(rest))
  }
})

test('a slow scorer, kill -9 and --resume: the same bytes', async () => {
  const flags = (name: string, pause: number) => reward(command(pause), at('thoughts.jsonl'), '-o', at(name))
  await sophia(flags('whole.jsonl', 0))
  const child = start(flags('cut.jsonl', 2))
  const end = ended(child)
  const part = at('cut.jsonl.part')
  for (let i = 0; i < 1000 && !(existsSync(part) && statSync(part).size > 20_000); i++)
    await new Promise(done => setTimeout(done, 10))
  child.kill('SIGKILL')
  assert.is((await end).signal, 'SIGKILL')
  const whole = readFileSync(at('whole.jsonl'))
  assert.ok(statSync(part).size < whole.length)
  const { code, stderr } = await sophia([...flags('cut.jsonl', 0), '--resume'])
  assert.equal([code, stderr], [3, ''])
  assert.ok(readFileSync(at('cut.jsonl')).equals(whole))
})

test('a scorer that dies: 1, the row, no stack; mended, --resume goes on', async () => {
  const flags = (scorer: string) => reward(scorer, at('thoughts.jsonl'), '-o', at('dead.jsonl'))
  const dead = await sophia(flags(`head -700 | ${command()}`))
  assert.is(dead.code, 1)
  assert.match(dead.stderr, /^sophia reward: --reward-command: row p43, caption 3, trajectory 0: .*after 700 answers/)
  assert.not.match(dead.stderr, /\n\s+at /)
  assert.not.ok(existsSync(at('dead.jsonl')))
  const part = readFileSync(at('dead.jsonl.part'), 'utf8')
  assert.is(part.trim().split('\n').length, 700)
  const { code } = await sophia([...flags(command()), '--resume'])
  assert.is(code, 3)
  assert.ok(readFileSync(at('dead.jsonl')).equals(readFileSync(at('whole.jsonl'))))
})

test('rubbish: 1, and what was expected', async () => {
  const { code, stderr } = await sophia(reward('echo Loading…; cat > /dev/null'), thoughts(1))
  assert.is(code, 1)
  assert.match(stderr, /row p0, caption 0, trajectory 0: expected one line of JSON .*got "Loading…"/)
})

test('rows come out while the input is still open', async () => {
  const child = start(reward(command()))
  const end = ended(child)
  const came = new Promise(done => child.stdout?.once('data', done))
  child.stdin?.write(thoughts(1, 1, 1))
  assert.is(JSON.parse(String(await came)).verdict.answer, 'p0')
  child.stdin?.end()
  assert.is((await end).code, 0)
})

test('a judge beside a scorer of one’s own is a wrong usage', async () => {
  const { code, stderr } = await sophia(reward('cat', '--judge', 'mathvision'), thoughts(1))
  assert.is(code, 2)
  assert.match(stderr, /--judge=mathvision cannot also be provided when using --reward-command/)
})

test.run()

function scoreOf({ id, trajectory }: { id: string; trajectory: { tokens: number } }) {
  return { reward: trajectory.tokens % 3 === 0 ? 1 : 0, answer: id, reason: `tokens ${trajectory.tokens}` }
}
