/**
 * Typical rows/s of `sophia reward` as a whole process, start, reading and writing included: median of five runs.
 * Run: npm run bench:reward [-- ROWS]. Not part of npm test.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { THOUGHT, typical } from './typical.ts'

const count = Number(process.argv[2] ?? 20_000)
const rows = Array.from({ length: count }, (_, i) => {
  const { text, ...problem } = typical(i)
  return JSON.stringify({
    id: `p${Math.floor(i / 64)}`,
    question: 'What is it?',
    ...problem,
    caption: { index: Math.floor(i / 8) % 8, text: THOUGHT, tokens: 40, finish: 'stop', logprob: -3.5 },
    trajectory: { index: i % 8, text, tokens: 600, finish: 'stop', model: 'm' },
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
