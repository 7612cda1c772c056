/** kill -9 in the middle, then --resume: the same bytes, none lost, none doubled. All cases run beside each other. */
import { appendFileSync, copyFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ended, sophia, start, temporary, thoughts } from './sophia.ts'

const test = suite('resume')
const dir = temporary()
const at = (name: string) => join(dir, name)
writeFileSync(at('thoughts.jsonl'), thoughts(600))

const cases: [stage: string, format: string][] = [
  ['reward', 'jsonl'],
  ['reward', 'jsonl.gz'],
  ['reward', 'parquet'],
  ['propagate', 'jsonl'],
]
const whole = sophia(['reward', '-q', at('thoughts.jsonl'), '-o', at('judged.jsonl')])
const killed = new Map(cases.map(([stage, format]) => [`${stage} ${format}`, kill(stage, format)]))

for (const [stage, format] of cases) {
  test(`${stage} to ${format}`, async () => {
    const { whole, resumed, end, cut } = await killed.get(`${stage} ${format}`)!
    assert.is(cut.signal, 'SIGKILL')
    assert.is(end.stderr, '')
    assert.is(end.code, 0)
    assert.ok(whole.equals(resumed))
    assert.not.ok(existsSync(at(`${stage}-cut.${format}.part`)))
    assert.not.ok(existsSync(at(`${stage}-cut.${format}.tmp`)))
  })
}

test('a torn last line, cut at every kind of place', async () => {
  await whole
  const text = readFileSync(at('judged.jsonl'))
  const third = nth(text, 3)
  const cuts = [0, 1, third - 20, third - 1, third, third + 1, text.length - 1, text.length]
  const made = await Promise.all(
    cuts.map(async (cut, i) => {
      const out = at(`torn${i}.jsonl`)
      copyFileSync(at('judged.jsonl'), `${out}.part`)
      truncateSync(`${out}.part`, cut)
      const { code } = await sophia(['reward', '-q', at('thoughts.jsonl'), '-o', out, '--resume'])
      return code === 0 && readFileSync(out).equals(text)
    }),
  )
  assert.equal(
    made,
    cuts.map(() => true),
  )
})

test('nothing to resume: done already, or not begun', async () => {
  await whole
  const done = await sophia(['reward', at('thoughts.jsonl'), '-o', at('judged.jsonl'), '--resume'])
  assert.is(done.code, 0)
  assert.match(done.stderr, /judged\.jsonl is complete: nothing to resume/)
  const begun = await sophia(['reward', '-q', at('thoughts.jsonl'), '-o', at('begun.jsonl'), '--resume'])
  assert.is(begun.code, 0)
  assert.ok(readFileSync(at('begun.jsonl')).equals(readFileSync(at('judged.jsonl'))))
})

test('a journal is not overwritten, and not taken for another input', async () => {
  writeFileSync(at('other.jsonl'), thoughts(3).replaceAll('"p', '"q'))
  writeFileSync(at('kept.jsonl.part'), '{"id":"p0","verdict":{"reward":1,"answer":"1","reason":"right"}}\n')
  const [refused, strange, longer] = await Promise.all([
    sophia(['reward', at('other.jsonl'), '-o', at('kept.jsonl')]),
    sophia(['reward', at('other.jsonl'), '-o', at('kept.jsonl'), '--resume']),
    whole.then(() => {
      copyFileSync(at('judged.jsonl'), at('long.jsonl.part'))
      appendFileSync(at('long.jsonl.part'), '{"id":"p9"}\n')
      return sophia(['reward', '-q', at('thoughts.jsonl'), '-o', at('long.jsonl'), '--resume'])
    }),
  ])
  assert.is(refused.code, 1)
  assert.match(refused.stderr, /kept\.jsonl\.part is there from a run that was cut off: take it up with --resume/)
  assert.is(strange.code, 1)
  assert.match(strange.stderr, /kept\.jsonl\.part:1: expected a row of id q0, got p0/)
  assert.is(longer.code, 1)
  assert.match(longer.stderr, /more rows than this input gives/)
})

test('shards together are the whole', async () => {
  const shards = await Promise.all(
    [1, 2, 3].map(i => sophia(['reward', '-q', at('thoughts.jsonl'), '--shard', `${i}/3`])),
  )
  const parts = shards.map(shard => shard.stdout.trim().split('\n'))
  for (const part of parts) assert.ok(part.length > 2400, `a shard of ${part.length} rows`)
  await whole
  const lines = readFileSync(at('judged.jsonl'), 'utf8').trim().split('\n')
  assert.equal(parts.flat().sort(), lines.sort())
  const problems = parts.map(part => new Set(part.map(line => JSON.parse(line).id)))
  assert.is(problems[0].size + problems[1].size + problems[2].size, 600)
})

test.run()

async function kill(stage: string, format: string) {
  const input = stage === 'reward' ? 'thoughts.jsonl' : 'judged.jsonl'
  if (stage !== 'reward') await whole
  const out = (name: string) => at(`${stage}-${name}.${format}`)
  const full = await sophia([stage, '-q', at(input), '-o', out('full')])
  assert.is(full.code, 0)
  const part = `${out('cut')}.part`
  // The input is handed over in two halves, so that the kill comes in the middle however fast the machine is.
  const text = readFileSync(at(input))
  const child = start([stage, '-q', '-', '-o', out('cut')])
  const end = ended(child)
  child.stdin?.on('error', () => {})
  child.stdin?.write(text.subarray(0, text.length / 2))
  const size = () => statSync(part, { throwIfNoEntry: false })?.size ?? 0
  for (let i = 0; i < 600 && size() < text.length / 4; i++) await new Promise(done => setTimeout(done, 20))
  child.kill('SIGKILL')
  const cut = await end
  const resumed = await sophia([stage, '-q', at(input), '-o', out('cut'), '--resume'])
  return { whole: readFileSync(out('full')), resumed: readFileSync(out('cut')), end: resumed, cut }
}

/** Where line `n` starts. */
function nth(text: Buffer, n: number): number {
  let from = 0
  for (let i = 0; i < n; i++) from = text.indexOf(10, from) + 1
  return from
}
