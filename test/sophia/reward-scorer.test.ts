/** The scorer alone: what an answer may be, order, bounds, and how a bad one is told. Scorers here are `node -e` or sed. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Row, Verdict } from '../../src/sophia/rows.ts'
import { Scorer } from '../../src/sophia/scorer.ts'

const test = suite('reward-scorer')
const rows = (count: number): Row[] => Array.from({ length: count }, (_, i) => ({ id: `p${i}`, answer: i, extra: 'é' }))

/** A scorer in Node: `body` makes the answer to `row`, the `n`-th. */
function program(body: string): string {
  const text = `let n = 0; require('readline').createInterface({ input: process.stdin }).on('line', line => { const row = JSON.parse(line); ${body}; n++ })`
  return `"${process.execPath}" -e '${text.replaceAll("'", `'"'"'`)}'`
}

async function score(command: string, ...windows: Row[][]): Promise<Row[]> {
  const scorer = new Scorer(command)
  const made: Row[] = []
  try {
    for (const window of windows) for await (const row of scorer.score(window)) made.push(row)
  } finally {
    await scorer.close()
  }
  return made
}

async function refused(command: string, given: Row[], message: RegExp): Promise<void> {
  const error = await score(command, given).then(
    () => undefined,
    error => error,
  )
  assert.is(error?.name, 'UserError', String(error?.stack ?? 'no error'))
  assert.match(error.message, message)
}

test('an answer is a number, a verdict or the whole row; only the verdict is taken', async () => {
  const answers = `console.log(JSON.stringify([
    1, 0, { reward: 1 }, { reward: 0, answer: 7, reason: 'too long' }, { ...row, extra: 'mine', verdict: { reward: 1, answer: 'x' } }, { verdict: 0 }
  ][n]))`
  const made = await score(program(answers), rows(2), rows(6).slice(2))
  assert.equal(
    made.map(({ verdict }) => verdict),
    [
      { reward: 1, answer: null, reason: 'right' },
      { reward: 0, answer: null, reason: 'wrong' },
      { reward: 1, answer: null, reason: 'right' },
      { reward: 0, answer: '7', reason: 'too long' },
      { reward: 1, answer: 'x', reason: 'right' },
      { reward: 0, answer: null, reason: 'wrong' },
    ],
  )
  assert.equal(
    made.map(({ verdict, ...rest }) => rest),
    rows(6),
  )
})

test('thousands of large rows, in order, by a scorer that is slow to read and to answer', async () => {
  const given = rows(3000).map(row => ({ ...row, text: 'x'.repeat(2000) }))
  const slow = program(
    'if (n % 1000 === 0) { const end = Date.now() + 200; while (Date.now() < end); } console.log(JSON.stringify({ ...row, verdict: row.answer % 2 }))',
  )
  const made = await score(slow, given)
  assert.ok(made.every(({ verdict }, i) => (verdict as Verdict).reward === i % 2))
  assert.is(made.length, 3000)
})

test('no more rows are on their way than the bound', async () => {
  const scorer = new Scorer(`sed -u "s/.*/1/"`)
  const given = rows(2000)
  const asked = new Set<Row>()
  for (const row of given) Object.defineProperty(row, 'seen', { enumerable: true, get: () => asked.add(row).size })
  const made = scorer.score(given)
  await made.next()
  await new Promise(done => setTimeout(done, 200))
  assert.ok(asked.size >= 1 && asked.size <= 257, `${asked.size} rows`)
  await made.return(undefined)
  await scorer.close() // does not take the answers on their way for surplus
})

test('rows with an error pass, unasked; an old verdict is not shown', async () => {
  const failed = { id: 'f', error: { stage: 'reason', code: 'x', message: 'x', retryable: false } }
  const old = { id: 'o', verdict: { reward: 1, answer: null, reason: 'old' } }
  const made = await score(program(`console.log(JSON.stringify({ reward: 0, reason: row.id + ('verdict' in row) }))`), [
    failed,
    old,
    failed,
  ])
  assert.equal(made, [failed, { id: 'o', verdict: { reward: 0, answer: null, reason: 'ofalse' } }, failed])
  assert.equal(await score('exit 3', [failed]), [failed])
})

test('what comes instead of a verdict is told with its row', async () => {
  const third = { id: 'p2', caption: { index: 4 }, trajectory: { index: 1, text: '' } }
  const given = [...rows(2), third]
  const at = 'row p2, caption 4, trajectory 1: expected'
  const answer = (text: string) => `sed -u "s/.*p2.*/${text}/;t;s/.*/1/"`
  await Promise.all([
    refused(answer('right'), given, RegExp(`${at} one line of JSON .*got "right"`)),
    refused(answer('0.5'), given, RegExp(`${at} a reward of 0 or 1, .*got "0.5"`)),
    refused(answer('null'), given, RegExp(`${at} 0 or 1, .*got "null"`)),
    refused(answer('[1]'), given, RegExp(`${at} 0 or 1, .*"\\[1\\]"`)),
    refused('cat', [{ id: 'p2', reward: 1, answer: 2 }], /row p2: expected 0 or 1, .*or the row with such a "verdict"/),
    refused(`echo '{"id":"p9","verdict":1}'; cat >/dev/null`, given, /row p0: .*order of the rows, got "row p9"/),
    refused('sed -u "s/.*/1\\n1/"', given, /expected one line a row, got a line more than the 3 rows/),
    refused('yes 1 2>/dev/null', given, /got a line more than the 3 rows/),
  ])
})

test('a scorer that dies, and one that is not there', async () => {
  await Promise.all([
    refused(
      'head -2 | sed "s/.*/1/"',
      rows(9),
      /row p2: .*the command ended with exit code 0 after 2 answers.*--resume/,
    ),
    refused(program('console.log(1); if (n === 2) process.exit(7)'), rows(9), /row p3: .*exit code 7 after 3 answers/),
    refused('kill -9 $$', rows(2), /row p0: .*was ended by SIGKILL after 0 answers/),
    refused('no-such-scorer 2>/dev/null', rows(2), /row p0: .*exit code 127/),
  ])
})

test('a scorer that keeps its answers back is told of, once', async () => {
  const notes: string[] = []
  const scorer = new Scorer(`sleep 0.6; sed -u "s/.*/1/"; sleep 0.1`, 100, text => notes.push(text))
  for await (const _ of scorer.score(rows(3)));
  await scorer.close()
  assert.is(notes.length, 1)
  assert.match(notes[0], /waiting for the answer to row p0\. A scorer has to write out each answer/)
})

test.run()
