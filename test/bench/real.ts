/**
 * A checkpoint of a real size: InternVL3-2B's dimensions, random bfloat16 weights, in shards. Measured: seconds and peak
 * memory of `convert`, of a greedy caption, and of training steps with adapters. It takes 10 GB of disk, and a while.
 * Run: npm run bench:real [-- FOLDER], which keeps what it makes in FOLDER. Linux only: memory is read from /proc.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { makeCheckpoint } from './checkpoint.ts'

const kept = process.argv[2]
const dir = kept ?? mkdtempSync(join(tmpdir(), 'sophia-real-'))
mkdirSync(dir, { recursive: true })
const [source, model] = [join(dir, 'checkpoint'), join(dir, 'model')]

if (!existsSync(source)) await makeCheckpoint(source, '2b')
if (!existsSync(model)) await measured('convert', ['convert', source, '-o', model, '-q'])
const picture = join(dir, 'picture.png')
await sharp({ create: { width: 448, height: 448, channels: 3, background: '#88aaff' } })
  .png()
  .toFile(picture)
const rows = [1, 2].map(i => ({
  ...{ id: i, images: [picture], prompt: 'How many circles are there in the picture?' },
  completion: 'Let me look at the picture once more, row by row. '.repeat(8),
}))
writeFileSync(join(dir, 'rows.jsonl'), rows.map(row => `${JSON.stringify(row)}\n`).join(''))
writeFileSync(join(dir, 'problem.jsonl'), `${JSON.stringify({ id: 1, images: [picture], question: '?', answer: 1 })}\n`)
const short = ['--max-tokens', '8', '--temperature', '0', '-q', '-o', '/dev/null']
await measured('caption', ['caption', join(dir, 'problem.jsonl'), '--model', model, '--captions', '1', ...short])
const steps = ['--lora', '16', '--max-steps', '2', '--batch-size', '1', '--recompute', '-q']
rmSync(join(dir, 'trained'), { recursive: true, force: true })
rmSync(join(dir, 'trained.part'), { recursive: true, force: true })
await measured('train', ['train', join(dir, 'rows.jsonl'), '--model', model, '-o', join(dir, 'trained'), ...steps])
if (!kept) rmSync(dir, { recursive: true })

/** Runs `sophia …args` and tells how long it took and its processes' peak of resident memory. */
async function measured(name: string, args: string[]): Promise<void> {
  const began = performance.now()
  const child = spawn(process.execPath, ['bin/run.js', ...args], { stdio: ['ignore', 'inherit', 'inherit'] })
  const peak = { resident: 0, own: 0 }
  const timer = setInterval(() => {
    const each = treeOf(child.pid!).map(memoryOf)
    const total = (kind: 'resident' | 'own') => each.reduce((sum, memory) => sum + memory[kind], 0)
    peak.resident = Math.max(peak.resident, total('resident'))
    peak.own = Math.max(peak.own, total('own'))
  }, 100)
  const [code] = await once(child, 'close')
  clearInterval(timer)
  const seconds = Math.round((performance.now() - began) / 1000)
  const gigabytes = (kb: number) => Math.round(kb / 1e4) / 100
  const memory = { resident_gb: gigabytes(peak.resident), own_gb: gigabytes(peak.own) }
  process.stdout.write(`${JSON.stringify({ name, code, seconds, ...memory })}\n`)
  if (code !== 0) process.exit(1)
}

/** A process and its children. */
function treeOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return [pid, ...text.trim().split(' ').filter(Boolean).map(Number).flatMap(treeOf)]
  } catch {
    return []
  }
}

/** Kilobytes: all that is resident, and of that what is the process' own (pages of mapped files can be dropped). */
function memoryOf(pid: number): { resident: number; own: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const read = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0)
    return { resident: read('VmRSS'), own: read('RssAnon') }
  } catch {
    return { resident: 0, own: 0 }
  }
}
