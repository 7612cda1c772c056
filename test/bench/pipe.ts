/**
 * 1,000,000 trajectory rows through `reward | propagate`: rows/s and the peak memory of each process.
 * Run: npm run bench:pipe [-- ROWS]. Not part of npm test. Linux only: memory is read from /proc.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

const rows = Number(process.argv[2] ?? 1_000_000)
const thought =
  'Looking at the image, I see three red circles and two blue squares. Let me look back at the image. '.repeat(8)

const start = (command: string) =>
  spawn(process.execPath, ['bin/run.js', command, '-q'], { stdio: ['pipe', 'pipe', 'inherit'] })
const reward = start('reward')
const propagate = start('propagate')
reward.stdout.pipe(propagate.stdin)
let bytes = 0
let lines = 0
propagate.stdout.on('data', (chunk: Buffer) => {
  bytes += chunk.length
  for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++
})

const peak = { reward: 0, propagate: 0 }
const measure = () => {
  for (const [name, child] of Object.entries({ reward, propagate }) as ['reward' | 'propagate', typeof reward][]) {
    try {
      const [, kb] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
      peak[name] = Math.max(peak[name], Number(kb ?? 0) / 1024)
    } catch {}
  }
}
const timer = setInterval(measure, 200)
const began = performance.now()
for (let i = 0; i < rows; ) {
  let text = ''
  for (const end = Math.min(rows, i + 256); i < end; i++) {
    const problem = Math.floor(i / 64)
    const answer = problem % 90
    text += `${JSON.stringify({
      id: `p${problem}`,
      question: 'What is three times the number of red circles, less the number of blue squares?',
      answer,
      caption: { index: Math.floor(i / 8) % 8, text: thought.slice(0, 200), tokens: 40, finish: 'stop', logprob: -3.5 },
      trajectory: {
        index: i % 8,
        text: `${thought} So the answer is \\boxed{${i % 3 ? answer : answer + 1}}.`,
        tokens: 200 + ((i * 7919) % 100),
        finish: 'stop',
        model: 'fixtures/reasoner',
      },
    })}\n`
  }
  if (!reward.stdin.write(text)) await once(reward.stdin, 'drain')
}
reward.stdin.end()
await once(propagate, 'close')
clearInterval(timer)
const seconds = (performance.now() - began) / 1000
process.stdout.write(
  `${JSON.stringify({
    rows,
    lines,
    megabytes: Math.round(bytes / 2 ** 20),
    seconds: Math.round(seconds),
    rowsPerSecond: Math.round(rows / seconds),
    peakMegabytes: { reward: Math.round(peak.reward), propagate: Math.round(peak.propagate) },
  })}\n`,
)
