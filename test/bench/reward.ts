/**
 * Typical rows/s of `sophia reward` as a whole process, start, reading and writing included: median of five runs.
 * Run: npm run bench:reward [-- ROWS]. Not part of npm test.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { uniform } from '../../src/random.ts'

const count = Number(process.argv[2] ?? 20_000)
const thought =
  'Let us look at the picture again: there are $3$ red discs and $x^2 + 1$ squares, so we count them one by one. Wait, that is not right. '
const pairs = [
  ['42', '42'],
  ['\\frac{3}{4}', '0.75'],
  ['C', 'C'],
  ['3x+2y', '2y+3x'],
  ['(1, 2)', '(1,2)'],
  ['\\sqrt{8}', '2\\sqrt{2}'],
  ['17', '18'],
  ['x^2+2x+1', '(x+1)^2'],
  ['12', '12\\text{ cm}'],
  ['-5', '5'],
]
const rows = Array.from({ length: count }, (_, i) => {
  const [gold, said] = pairs[i % pairs.length]
  const thoughts = thought.repeat(5 + Math.floor(uniform(7, 'bench', i) * 20)) // 0.7 to 3.4 kB
  return JSON.stringify({
    id: `p${Math.floor(i / 64)}`,
    question: 'What is it?',
    answer: gold,
    ...(gold === 'C' ? { options: ['1', '2', '3', '4', '5'] } : {}),
    caption: { index: Math.floor(i / 8) % 8, text: thought, tokens: 40, finish: 'stop', logprob: -3.5 },
    trajectory: {
      index: i % 8,
      text: `<think>${thoughts}</think>\nSo the answer is \\boxed{${said}}.`,
      tokens: 600,
      finish: 'stop',
      model: 'm',
    },
  })
})
const dir = mkdtempSync(join(tmpdir(), 'sophia-bench-'))
const input = join(dir, 'thoughts.jsonl')
writeFileSync(input, `${rows.join('\n')}\n`)

/** Median rows/s of five runs with `flags`. */
function rate(...flags: string[]): number {
  const rates = Array.from({ length: 5 }, (_, run) => {
    const began = performance.now()
    execFileSync(process.execPath, ['bin/run.js', 'reward', '-q', input, '-o', join(dir, `out${run}.jsonl`), ...flags])
    const seconds = (performance.now() - began) / 1000
    rmSync(join(dir, `out${run}.jsonl`))
    return count / seconds
  })
  return Math.round(rates.sort((a, b) => a - b)[2])
}

const result = {
  rows: count,
  rowsPerSecond: {
    strict: rate(),
    olympiadbench: rate('--judge', 'olympiadbench'),
    mathvision: rate('--judge', 'mathvision'),
    'reward-command': rate('--reward-command', `stdbuf -oL sed 's/.*boxed.*/1/'`),
  },
  machine: `${cpus().length} cores of ${cpus()[0].model.trim()}, Node ${process.versions.node}`,
  load: Math.round(loadavg()[0] * 10) / 10,
}
rmSync(dir, { recursive: true })
process.stdout.write(`${JSON.stringify(result)}\n`)
