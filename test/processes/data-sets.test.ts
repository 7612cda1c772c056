/** eval on the Hub's data sets, as processes: saved answers judged item by item, and data fetched where none is given. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Verdict } from '../../src/sophia/rows.ts'
import { rowsOf, sophia, temporary } from './sophia.ts'

const test = suite('eval on data sets')
const dir = temporary()
const golden = 'fixtures/golden/benchmarks'

/** Verdicts of saved answers, by id. */
async function verdicts(
  benchmark: string,
  data: string,
  answers: Record<string, string>,
): Promise<Map<string, Verdict>> {
  const file = join(dir, `${benchmark}.jsonl`)
  const rows = Object.entries(answers).map(([id, response]) => `${JSON.stringify({ id, response })}\n`)
  writeFileSync(file, rows.join(''))
  const { code, stdout, stderr } = await sophia(['eval', '--benchmark', benchmark, '--data', data, '--responses', file])
  assert.is(code, 0, stderr)
  return new Map(rowsOf(stdout).map(row => [String(row.id), (row.response as { verdict: Verdict }).verdict]))
}

const rewards = (held: Map<string, Verdict>) => Object.fromEntries([...held].map(([id, { reward }]) => [id, reward]))

test('dynamath: each variant for itself', async () => {
  const answers = {
    '1/1': '\\boxed{6.283}',
    '1/2': '\\boxed{\\pi}',
    '1/10': '\\boxed{0.63}',
    '2/1': '{"solution": "It is odd.", "short answer": "B"}',
    '2/2': '\\boxed{B}',
    '3/1': 'It is \\boxed{1:00}.',
    '4/10': '\\boxed{10.0}',
  }
  const held = await verdicts('dynamath', `${golden}/dynamath`, answers)
  assert.equal(rewards(held), { '1/1': 1, '1/2': 1, '1/10': 0, '2/1': 1, '2/2': 0, '3/1': 1, '4/10': 1 })
})

test('mv-math: choices, forms of an answer, steps', async () => {
  const answers = {
    1: 'The first has three: \\boxed{A}',
    2: '\\boxed{\\sqrt{2}+4}',
    3: '(1) \\boxed{(3,5)}\n(2) \\boxed{30^\\circ}\n(3) It follows.\n(4) \\boxed{(1) 7; (2) 8}',
    4: '\\boxed{13}',
  }
  const held = await verdicts('mv-math', `${golden}/mv-math-parquet`, answers)
  assert.equal(rewards(held), { 1: 1, 2: 1, 3: 1, 4: 0 })
  assert.equal(held.get('3')?.steps, { right: 3, of: 3 })
  const partly = { 3: '\\boxed{(1) (3,5); (2) 31^\\circ; (3) so; (4) (1) 7; (2) 8}' }
  const step = (await verdicts('mv-math', `${golden}/mv-math`, partly)).get('3')
  assert.equal([step?.reward, step?.steps], [0, { right: 2, of: 3 }])
})

test('mathvision: letter, or the text of the option', async () => {
  const answers = { 11: '\\boxed{3}', 12: 'ANSWER: \\boxed{A}', 13: '\\boxed{D}' }
  const held = await verdicts('mathvision', `${golden}/mathvision`, answers)
  assert.equal(rewards(held), { 11: 1, 12: 0, 13: 1 })
})

test('olympiadbench: the first gold alone, its tolerances, its language', async () => {
  const answers = {
    '7': 'So the final answer is $\\boxed{9.85, 4.9 t^2}$ (m/s).',
    'OE_TO_maths_zh_CEE/7': '所以最终答案是$\\boxed{-2}$。',
    '8': '所以最终答案是$\\boxed{(1,2)}$。',
  }
  const held = await verdicts('olympiadbench', `${golden}/olympiadbench`, answers)
  assert.equal(rewards(held), { '7': 1, 'OE_TO_maths_zh_CEE/7': 0, '8': 1 })
})

test('the tiny policy answers; without --data the Hub is asked', async () => {
  const names = ['data/sample1-00000-of-00001.parquet', 'data/sample2-00000-of-00002.parquet']
  const server = createServer(({ url = '' }, response) => {
    if (url.includes('/revision/')) return response.end('{"sha": "abcdef"}')
    if (url.includes('/tree/')) return response.end(JSON.stringify(names.map(path => ({ type: 'file', path }))))
    const name = names.find(held => url === `/datasets/DynaMath/DynaMath_Sample/resolve/abcdef/${held}`)
    if (name) return response.end(readFileSync(`${golden}/dynamath/${name}`))
    response.writeHead(404).end()
  })
  await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready))
  const env = {
    HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    SOPHIA_CACHE: join(dir, 'cache'),
  }
  const args = ['eval', '--benchmark', 'dynamath', '--model', 'fixtures/policy', '--device', 'cpu']
  const tiny = [...args, '--max-tokens', '8', '--limit', '2']
  const first = await sophia(tiny, '', env)
  assert.is(first.code, 0, first.stderr)
  assert.match(first.stderr, /fetching DynaMath\/DynaMath_Sample: 2 files/)
  const rows = rowsOf(first.stdout)
  assert.equal(
    rows.map(({ id, group, variant }) => [id, group, variant]),
    [
      ['1/1', '1', 1],
      ['2/1', '2', 1],
    ],
  )
  server.closeAllConnections()
  server.close()
  // what is in the cache is read offline, and gives the same
  const again = await sophia([...tiny, '-q'], '', { ...env, HF_HUB_OFFLINE: '1' })
  assert.equal([again.code, again.stderr, again.stdout], [0, '', first.stdout])
  const other = await sophia(['eval', '--benchmark', 'mv-math', '--model', 'fixtures/policy'], '', {
    ...env,
    HF_HUB_OFFLINE: '1',
  })
  assert.is(other.code, 1)
  assert.match(other.stderr, /PeijieWang\/MV-MATH: .*HF_HUB_OFFLINE is set.*--data PATH.*Download MV-MATH/s)
})

test.run()
