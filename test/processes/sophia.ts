/** Runs the command line as a person's shell would: bin/run.js in a process. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Row } from '../../src/io/row.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const bin = join(root, 'bin', 'run.js')

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  seconds: number
}

/** A folder that goes with the process. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sophia-test-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts `sophia …args`. */
export function start(args: string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, [bin, ...args], { cwd: root, ...options })
}

/** Runs `sophia …args` on `input` to its end. */
export function sophia(args: string[], input = '', env: Record<string, string> = {}): Promise<Ended> {
  const child = start(args, { env: { ...process.env, ...env } })
  child.stdin?.on('error', () => {}) // it may be done before it has read all
  child.stdin?.end(input)
  return ended(child)
}

/** Runs a line of bash, in which $SOPHIA is the command line and $DIR is `folder`. */
export function shell(line: string, folder: string): Promise<Ended> {
  const env = { ...process.env, SOPHIA: `${process.execPath} ${bin}`, DIR: folder }
  return ended(spawn('bash', ['-c', `set -o pipefail\n${line}`], { cwd: root, env }))
}

export function ended(child: ChildProcess): Promise<Ended> {
  const began = performance.now()
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return new Promise(done =>
    child.on('close', (code, signal) =>
      done({ code, signal, stdout, stderr, seconds: (performance.now() - began) / 1000 }),
    ),
  )
}

/** The rows of a JSONL text, of which there is one at least. */
export function rowsOf<T = Row>(text: string): T[] {
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

/** Rows as JSONL. */
export const linesOf = (rows: unknown[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')

/** The text of a JSONL file of trajectories: problems p0, p1, … with `captions` × `trajectories` rows each. */
export function thoughts(problems: number, captions = 4, trajectories = 4): string {
  const lines: string[] = []
  for (let p = 0; p < problems; p++)
    for (let c = 0; c < captions; c++)
      for (let t = 0; t < trajectories; t++)
        lines.push(
          JSON.stringify({
            id: `p${p}`,
            question: 'How many?',
            answer: p % 9,
            caption: { index: c, text: 'Shapes.', tokens: 3, finish: 'stop', logprob: -1 },
            trajectory: {
              index: t,
              text: `I count \\boxed{${(p + c * t) % 5 === 0 ? 99 : p % 9}}`,
              tokens: 10 + ((p * 7 + c * 3 + t * 5) % 11),
              finish: 'stop',
              model: 'm',
            },
          }),
        )
  return `${lines.join('\n')}\n`
}
