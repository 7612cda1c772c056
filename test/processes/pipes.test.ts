/** Manners in a pipe: slow readers, readers that leave, signals. All processes run beside each other. */
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ended, shell, start, temporary, thoughts } from './sophia.ts'

const test = suite('pipes')
const dir = temporary()
writeFileSync(join(dir, 'thoughts.jsonl'), thoughts(500))
const rows = 200_000
writeFileSync(join(dir, 'many.jsonl'), thoughts(rows / 16))

const stalled = shell(`$SOPHIA reward -q $DIR/many.jsonl | (sleep 12; cat) | wc -l`, dir)
const left = shell('$SOPHIA reward -q $DIR/many.jsonl | head -1; echo $PIPESTATUS', dir)
const endless = shell(`yes '{"question":"?","answer":1,"trajectory":"1"}' | $SOPHIA reward -q | head -1`, dir)
const helped = shell('$SOPHIA --help | head -1; echo $PIPESTATUS', dir)
const chained = shell('$SOPHIA reward -q < $DIR/thoughts.jsonl | $SOPHIA propagate -q', dir)
const device = shell('$SOPHIA reward -q $DIR/thoughts.jsonl -o /dev/null; echo $?; ls /dev/null.part 2>&1', dir)
const interrupted = interrupt()
const flushed = trickle()

test('a reader that stalls for 12 s still gets every row', async () => {
  const { stdout, code } = await stalled
  assert.is(code, 0)
  assert.is(Number(stdout), rows)
})

test('a reader that leaves ends the stage at once, silently, with 0', async () => {
  const { stdout, stderr, seconds } = await left
  const lines = stdout.trim().split('\n')
  assert.is(lines.length, 2)
  assert.is(JSON.parse(lines[0]).verdict.reward, 0)
  assert.is(lines[1], '0')
  assert.is(stderr, '')
  assert.ok(seconds < 8, `took ${seconds} s`)
})

test('an endless input ends with its reader', async () => {
  const { stdout } = await endless
  assert.is(stdout.trim().split('\n').length, 1)
})

test('help through head', async () => {
  const { stdout, stderr } = await helped
  assert.match(stdout, /\n0\n$/)
  assert.is(stderr, '')
})

test('stages in a pipe: every row, in order, with one key a stage', async () => {
  const { stdout, code } = await chained
  assert.is(code, 0)
  const made = stdout.trim().split('\n')
  const given = thoughts(500).trim().split('\n')
  assert.is(made.length, given.length)
  for (const [i, line] of made.entries()) {
    const { verdict, credit, ...rest } = JSON.parse(line)
    assert.equal(rest, JSON.parse(given[i]))
    assert.equal(Object.keys(verdict), ['reward', 'answer', 'reason'])
    assert.equal(Object.keys(credit), ['caption', 'reward'])
  }
})

test('a device is written to, not renamed over', async () => {
  const { stdout } = await device
  assert.match(stdout, /^0\n/)
  assert.not.match(stdout, /^\/dev\/null\.part$/m)
})

test('SIGINT: 130, and what is done is kept', async () => {
  const { code, stderr, part } = await interrupted
  assert.is(code, 130)
  assert.match(stderr, /interrupted; .*out\.jsonl\.part holds what is done: go on with --resume/)
  assert.ok(part.endsWith('\n'))
  assert.is(part.trim().split('\n').length, 3)
  assert.not.ok(existsSync(join(dir, 'out.jsonl')))
})

test('rows come out while the input is still open', async () => {
  assert.match(await flushed, /^\{.*"verdict".*\}\n$/)
})

test.run()

async function interrupt() {
  const child = start(['reward', '-o', join(dir, 'out.jsonl')])
  const end = ended(child)
  child.stdin?.write(thoughts(1, 1, 3))
  const part = join(dir, 'out.jsonl.part')
  for (let i = 0; i < 200 && !(existsSync(part) && readFileSync(part).length > 0); i++)
    await new Promise(done => setTimeout(done, 50))
  child.kill('SIGINT')
  return { ...(await end), part: readFileSync(part, 'utf8') }
}

/** What the stage gives for one row while its input stays open. */
async function trickle(): Promise<string> {
  const child = start(['reward', '-q'])
  child.stdin?.write(thoughts(1, 1, 1))
  const [chunk] = await once(child.stdout!, 'data')
  child.stdin?.end()
  return String(chunk)
}
