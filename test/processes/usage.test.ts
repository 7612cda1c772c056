/** What a person meets: help, exit codes, errors that say where and what next, quiet, colours. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ended, shell, sophia, temporary, thoughts } from './sophia.ts'

const test = suite('usage')
const dir = temporary()
const at = (name: string, content?: string | Buffer) => {
  const path = join(dir, name)
  if (content !== undefined) writeFileSync(path, content)
  return path
}
const row = '{"id":"a","question":"?","answer":1,"trajectory":"\\\\boxed{1}"}'
at('good.jsonl', `${row}\n`)

/** One case: arguments, standard input, exit code, what standard error has to say. */
const cases: [name: string, args: string[], input: string, code: number, stderr: RegExp][] = [
  ['unknown command', ['bogus'], '', 2, /command bogus not found[\s\S]*--help/],
  ['unknown flag', ['reward', '--bogus'], '', 2, /Nonexistent flag: --bogus[\s\S]*sophia reward --help/],
  ['bad choice', ['reward', '--judge', 'x'], '', 2, /--judge=x to be one of: strict/],
  ['bad shard', ['reward', '--shard', '3/2'], '', 2, /expected i\/n with 1 ≤ i ≤ n, such as 2\/8, got 3\/2/],
  ['bad alpha', ['propagate', '--alpha', '7'], '', 2, /expected a number from 0 to 1, got 7/],
  ['no model', ['caption', at('good.jsonl')], '', 2, /Missing required flag model/],
  ['unknown ending', ['reward', 'rows.txt'], '', 2, /rows\.txt: expected a name that ends in \.jsonl.*--from/],
  ['resume to stdout', ['reward', at('good.jsonl'), '--resume'], '', 2, /--resume: expected -o FILE/],
  ['no such file', ['reward', at('none.jsonl')], '', 1, /none\.jsonl: no such file/],
  [
    'no folder for the output',
    ['reward', at('good.jsonl'), '-o', at('no/out.jsonl')],
    '',
    1,
    /cannot write .*out\.jsonl\.part/,
  ],
  ['not JSON', ['reward'], `${row}\n\nnot a row\n`, 1, /stdin:3: expected one JSON object, got "not a row"/],
  [
    'not an object',
    ['reward', at('list.jsonl', `${row}\n[1]\n`)],
    '',
    1,
    /list\.jsonl:2: expected one JSON object a line, got "\[1\]"/,
  ],
  ['torn last line', ['reward'], `${row}\n${row.slice(0, 30)}`, 1, /stdin:2: the last line is torn.*--resume/],
  [
    'gzip for text',
    ['reward', '--from', 'jsonl', at('rows.jsonl.gz', gzipSync(row))],
    '',
    1,
    /rows\.jsonl\.gz:1.*expected UTF-8.*--from jsonl\.gz/,
  ],
  [
    'cut gzip',
    ['reward', at('cut.jsonl.gz', gzipSync(row.repeat(99)).subarray(0, 40))],
    '',
    1,
    /cut\.jsonl\.gz: expected a whole gzip file/,
  ],
  ['not Parquet', ['reward', at('no.parquet', 'hello, world')], '', 1, /no\.parquet: expected a whole Parquet file/],
  ['rows that failed', ['reward', '-q'], `${row}\n{"id":"b"}\n`, 3, /^$/],
  ['a problem in two places', ['propagate', '-q'], scattered(), 1, /id a: its rows do not stand together/],
]
const runs = cases.map(([, args, input]) => sophia(args, input))

for (const [i, [name, , , code, stderr]] of cases.entries()) {
  test(name, async () => {
    const ended = await runs[i]
    assert.match(ended.stderr, stderr)
    assert.not.match(ended.stderr, /\n\s+at /) // no stack: it is not our bug
    assert.is(ended.code, code)
  })
}

test('error rows say what was expected, and pass through later stages untouched', async () => {
  const judged = await sophia(['reward', '-q'], `${row}\n{"id":"b","x":1.0}\n`)
  const failed = judged.stdout.trim().split('\n')[1]
  assert.is(
    failed,
    '{"id":"b","x":1.0,"error":{"stage":"reward","code":"no-trajectory",' +
      '"message":"expected text, or an object with text, under trajectory, got nothing","retryable":false}}',
  )
  const credited = await sophia(['propagate', '-q'], judged.stdout)
  assert.is(credited.code, 3)
  assert.is(credited.stdout.trim().split('\n')[1], failed)
})

test('--retry-errors tries again what failed in this stage, and nothing else', async () => {
  const error = (stage: string) => ({ stage, code: 'x', message: 'x', retryable: true })
  const rows = ['reward', 'caption'].map(stage => JSON.stringify({ ...JSON.parse(row), error: error(stage) }))
  const { stdout, code } = await sophia(['reward', '-q', '--retry-errors'], rows.join('\n'))
  const [first, second] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.is(code, 3)
  assert.is(first.verdict.reward, 1)
  assert.is(first.error, undefined)
  assert.equal(second, JSON.parse(rows[1]))
})

test('a value keeps its digits, and unknown keys stay', async () => {
  const { stdout } = await sophia(
    ['reward', '-q'],
    '{"id":12345678901234567890,"x": 1.50,"é":"\\u00e9","trajectory":"","answer":0}',
  )
  assert.match(stdout, /^\{"id":12345678901234567890,"x": 1\.50,"é":"\\u00e9","trajectory":"","answer":0,"verdict":\{/)
})

test('--limit, gzip on standard input and output', async () => {
  const { stdout } = await sophia(['reward', '-q', '--limit', '5'], thoughts(1))
  assert.is(stdout.trim().split('\n').length, 5)
  const none = await sophia(['reward', '-q'], '')
  assert.equal([none.code, none.stdout], [0, ''])
})

test('quiet, and the plain summary otherwise, without colours', async () => {
  const [quiet, plain, bare] = await Promise.all([
    sophia(['reward', '--quiet', at('good.jsonl')]),
    sophia(['reward', at('good.jsonl')]),
    sophia(['--help'], '', { NO_COLOR: '1', FORCE_COLOR: '' }),
  ])
  assert.is(quiet.stderr, '')
  assert.match(plain.stderr, /^reward 1 rows · .* rows\/s · pass 100\.0%/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
  assert.not.match(plain.stderr + bare.stdout, /\u001b/)
})

test('help: every stage has an example, and it comes soon', async () => {
  const stages = ['caption', 'reason', 'reward', 'propagate', 'train', 'eval']
  const times: number[] = []
  for (let i = 0; i < 3; i++) {
    // Processor time is what the clock shows on a machine that does nothing else; the other tests run beside this one.
    const top = await shell('TIMEFORMAT="%U %S"; time $SOPHIA --help', dir)
    const [user, system] = top.stderr.trim().split(' ').map(Number)
    times.push(user + system)
    assert.is(top.code, 0)
    for (const stage of stages) assert.match(top.stdout, new RegExp(`^  ${stage} `, 'm'))
  }
  assert.ok(Math.min(...times) < 0.4, `took ${Math.min(...times)} s`)
  const helps: Ended[] = await Promise.all(stages.map(stage => sophia([stage, '--help'])))
  for (const help of helps) assert.match(help.stdout, /EXAMPLES\n\s+\$ /)
})

test.run()

/** Rows of problem a, then b, then a again. */
function scattered(): string {
  const [a, b] = ['a', 'b'].map(id => JSON.stringify({ id, verdict: { reward: 1, answer: '1', reason: 'right' } }))
  return [a, b, a].join('\n')
}
