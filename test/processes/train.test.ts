/** train as a process, on the small random models of fixtures/golden/models: kill -9, signals, closed pipes, usage. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ended, linesOf, shell, sophia, start, temporary } from './sophia.ts'

const test = suite('train')
const dir = temporary()
const at = (name: string) => join(dir, name)
const model = 'fixtures/golden/models/llava'

const rows = Array.from({ length: 60 }, (_, i) => ({
  id: `p${i}`,
  images: ['picture0.png'],
  question: `Q${i}?`,
  answer: String(i),
  trajectory: { index: 0, text: `I see ${i}. `.repeat(1 + (i % 3)), tokens: 9, finish: 'stop', model: 'r' },
  ...(i % 6 === 5 ? { error: { stage: 'reason', code: 'x', message: 'x', retryable: false } } : {}),
  credit: { caption: 1, reward: i % 6 === 4 ? 0 : 1 },
}))
writeFileSync(at('rows.jsonl'), linesOf(rows))
const flags = (name: string) => [
  ...['train', at('rows.jsonl'), '--model', model, '--images', model, '-o', at(name), '--log', at(`${name}.log`)],
  ...['--batch-size', '4', '--epochs', '4', '--lr', '1e-3', '--save-every', '3', '--device', 'cpu', '--threads', '1'],
] // biome-ignore format: one thought
const steps = (name: string): number[] =>
  existsSync(at(`${name}.log`))
    ? readFileSync(at(`${name}.log`), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line).step)
    : []
const weights = (name: string) => readFileSync(join(at(name), 'model.safetensors')).toString('base64')
const all = Array.from({ length: 40 }, (_, i) => i + 1)
const whole = sophia(flags('whole'))

function commandOf(id: string): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'utf8')
  } catch {
    return '' // it has just ended
  }
}

/** Starts a run and sends it `signal` once it has logged `count` steps. */
async function cut(name: string, count: number, signal: NodeJS.Signals, more: string[] = []) {
  const child = start([...flags(name), ...more])
  const end = ended(child)
  const timer = setInterval(() => {
    if (steps(name).length < count) return
    child.kill(signal)
    clearInterval(timer)
  }, 5)
  const result = await end
  clearInterval(timer)
  return result
}

test('rows without reward and rows with an error are told and left out', async () => {
  const { code, stderr, stdout } = await whole
  assert.is(code, 0, stderr)
  assert.is(stdout, '')
  assert.match(stderr, '60 rows · 40 examples · 10 without reward · 10 with an error')
  assert.equal(steps('whole'), all)
})

test('kill -9, twice, then --resume: the same weights, bit for bit, and every step logged once', async () => {
  await whole
  assert.is((await cut('killed', 8, 'SIGKILL')).signal, 'SIGKILL')
  assert.is((await cut('killed', 20, 'SIGKILL', ['--resume'])).signal, 'SIGKILL')
  const { code, stderr } = await sophia([...flags('killed'), '--resume'])
  assert.is(code, 0, stderr)
  assert.is(weights('killed'), weights('whole'))
  assert.equal(steps('killed'), all)
  const again = await sophia([...flags('killed'), '--resume'])
  assert.is(again.code, 0)
  assert.match(again.stderr, 'nothing to resume')
})

test('moments in a file are the same moments, also after kill -9', async () => {
  await whole
  const offload = ['--offload-optimizer']
  assert.is((await cut('offloaded', 8, 'SIGKILL', offload)).signal, 'SIGKILL')
  const { code, stderr } = await sophia([...flags('offloaded'), ...offload, '--resume'])
  assert.is(code, 0, stderr)
  assert.is(weights('offloaded'), weights('whole'))
})

test('the process that trains ends with the one that was started', async () => {
  const alive = () => readdirSync('/proc').filter(id => /^\d+$/.test(id) && commandOf(id).includes(at('orphan')))
  assert.is((await cut('orphan', 3, 'SIGKILL')).signal, 'SIGKILL')
  for (let tries = 0; alive().length > 0 && tries < 100; tries++) await new Promise(done => setTimeout(done, 50))
  assert.equal(alive(), [])
})

test('where the process that trains is killed, the other one says so', async () => {
  const child = start(flags('starved'))
  const end = ended(child)
  const timer = setInterval(() => {
    const [trains] = readdirSync('/proc').filter(id => /^\d+$/.test(id) && Number(id) !== child.pid && commandOf(id).includes(at('starved'))) // biome-ignore format: one thought
    if (steps('starved').length > 0 && trains) process.kill(Number(trains), 'SIGKILL')
  }, 20)
  const { code, stderr } = await end
  clearInterval(timer)
  assert.is(code, 1)
  assert.match(stderr, /was killed by somebody, or it ran out of memory/)
})

test('where GLIBC_TUNABLES is set, there is one process, and the same weights', async () => {
  await whole
  assert.is((await sophia(flags('single'), '', { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=0' })).code, 0)
  assert.is(weights('single'), weights('whole'))
})

test('an interrupted run saves itself, says so, and can be taken up', async () => {
  await whole
  const { code, stderr } = await cut('stopped', 5, 'SIGINT')
  assert.is(code, 130)
  assert.match(stderr, /interrupted; .*stopped\.part holds what is done: go on with --resume/)
  const anew = await sophia(flags('stopped'))
  assert.match(
    `${anew.code} ${anew.stderr}`,
    /^1 .*stopped\.part\/step-\d+ is there from a run.*--resume, or remove it/,
  )
  const over = await sophia(['convert', 'fixtures/reasoner', '-o', at('stopped')])
  assert.match(`${over.code} ${over.stderr}`, /^1 .*stopped\.part: holds step-\d+ of a training run/)
  assert.is((await sophia([...flags('stopped'), '--resume'])).code, 0)
  assert.is(weights('stopped'), weights('whole'))
})

test('the log is on standard output, and a reader that leaves ends the run with 0', async () => {
  const args = flags('piped').filter((flag, i, list) => flag !== '--log' && list[i - 1] !== '--log')
  const { code, stdout } = await shell(`$SOPHIA ${args.join(' ')} -q | head -1`, dir)
  assert.is(code, 0)
  assert.is(JSON.parse(stdout).step, 1)
})

test('--limit reads no further: an endless input will do', async () => {
  const flags = `--model fixtures/golden/models/qwen2 -o $DIR/limited --limit 4 --batch-size 4 --device cpu -q`
  const line = `yes '{"prompt":"Q","completion":"A"}' | timeout 60 $SOPHIA train ${flags}; exit \${PIPESTATUS[1]}`
  const { code, stdout, stderr } = await shell(line, dir)
  assert.is(code, 0, stderr)
  assert.is(stdout.trim().split('\n').length, 1, 'one step of four rows')
})

test('a short run on weights in bfloat16, which round away what it has learnt, is not taken for a fault of ours', async () => {
  const halves = at('halves')
  await sophia(['convert', 'fixtures/reasoner', '-o', halves, '--dtype', 'bf16', '--no-verify', '-q'])
  const row = { prompt: '1+1?', completion: 'two' }
  const made = await sophia(['train', '--model', halves, '-o', at('short'), '-q'], JSON.stringify(row))
  assert.is(made.stderr, '')
  assert.is(made.code, 0)
})

test('wrong usage says what to do', async () => {
  await whole
  const there = await sophia(flags('whole'))
  assert.is(there.code, 2)
  assert.match(there.stderr, 'exists already. Choose another folder, or remove it')
  const both = await sophia([...flags('new'), '--lora', '2', '--train-vision'])
  assert.is(both.code, 2)
  const wrong = async (...more: string[]) => {
    const row = { prompt: 'a', completion: 'b', images: ['nowhere.png'] }
    const made = await sophia(['train', '--model', model, '-o', at('none'), ...more], JSON.stringify(row))
    assert.not.match(made.stderr, /\n\s+at /)
    return `${made.code} ${made.stderr}`
  }
  assert.match(await wrong(), /^1 .*stdin: row 1: image: no file nowhere\.png/s)
  assert.match(await wrong('--log', at('no/steps.jsonl')), /^2 .*--log .*there is no folder/s)
  const under = await sophia(['train', '--model', model, '-o', at('whole/config.json/new')])
  assert.match(`${under.code} ${under.stderr}`, /^2 .*expected .*config\.json to be a folder, got a file/)
  const blind = await sophia(['train', '--model', 'fixtures/reasoner', '-o', at('none'), '--train-vision'])
  assert.match(`${blind.code} ${blind.stderr}`, /^2 .*--train-vision: fixtures\/reasoner has no vision tower/)
  assert.match(await wrong('--lora-alpha', '3'), /^2 .*--lora-alpha: --lora/s)
  assert.match(await wrong('--memory', '3'), /^2 .*--memory: --dry-run/s)
  const unrewarded = rows.map(row => ({ ...row, credit: { caption: 0, reward: 0 } }))
  const none = await sophia(
    ['train', '--model', model, '--images', model, '-o', at('none')],
    unrewarded.map(row => JSON.stringify(row)).join('\n'),
  )
  assert.is(none.code, 1)
  assert.match(none.stderr, 'no row to learn from (60 rows · 50 without reward · 10 with an error)')
})

test.run()
