/**
 * Runs every test/**\/*.test.ts by uvu, each file in a process of its own, as many at a time as there are cores.
 * Run: npm test [-- PATTERN]. Fails a file that fails, hangs, or never ran its suites: uvu passes over a suite without
 * `.run()` in silence. The last line is `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const timeLimit = 240_000 // ms a file
const pattern = process.argv[2] ?? ''

// Process tests mostly wait: they start first, so that the waiting is beside the others' work.
const files = (readdirSync(folder, { recursive: true }) as string[])
  .filter(file => file.endsWith('.test.ts') && file.includes(pattern))
  .sort((a, b) => Number(b.startsWith('processes')) - Number(a.startsWith('processes')) || (a < b ? -1 : 1))

let passed = 0
let failed = 0
const queue = [...files]
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker))
if (files.length === 0) process.stdout.write(`no test file has ${pattern} in its path\n`)
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

async function worker(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const began = performance.now()
    const { text, code } = await run(file)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const [total, good] = ['Total', 'Passed'].map(name => count(text, name))
    const complaint =
      (code === null ? undefined : neverRan(file, total)) ??
      (code === 0 || good < total ? undefined : code === null ? `ended after ${seconds} s` : `exit code ${code}`)
    passed += good
    failed += total - good + (complaint ? 1 : 0)
    const well = good === total && !complaint
    process.stdout.write(
      `${well ? 'ok  ' : 'FAIL'} ${file} (${good}/${total}, ${seconds} s)${complaint ? `: ${complaint}` : ''}\n`,
    )
    if (!well) process.stdout.write(text)
  }
}

/** A figure of uvu's summaries: a file whose suites wait for something between them has several. */
function count(text: string, name: string): number {
  const found = text.matchAll(new RegExp(`^ +${name}: +(\\d+)$`, 'gm'))
  return [...found].reduce((sum, [, figure]) => sum + Number(figure), 0)
}

/** Runs one file. `code` is null where it was ended for taking too long. */
function run(file: string): Promise<{ text: string; code: number | null }> {
  const env = { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' }
  const child = spawn(process.execPath, ['--import', 'tsx', join(folder, file)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeLimit)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return new Promise(done =>
    child.on('close', code => {
      clearTimeout(timer)
      done({ text, code })
    }),
  )
}

function neverRan(file: string, total: number): string | undefined {
  const source = readFileSync(join(folder, file), 'utf8')
  const suites = source.match(/\bsuite\(/g)?.length ?? 0
  const runs = source.match(/\.run\(\)/g)?.length ?? 0
  if (suites > runs) return `${suites} suites and ${runs} calls of .run(): some suite never runs`
  if (/\.only\(/.test(source)) return '.only( is left in it: the other tests did not run'
  return total === 0 ? 'no test ran' : undefined
}
