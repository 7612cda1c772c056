/**
 * Tokens a second of the burst engine on a random decoder of the demo's size.
 * Run: npx tsx test/bench/generate.ts [rows] [batch] [steps] [kvHeads] [threads] [temperature] [topP] [profile prefix]
 */

import { openRunner } from '../../src/generate/runner.ts'
import { schedule, shapeFor } from '../../src/generate/scheduler.ts'
import { stream } from '../../src/random.ts'
import { tinyConfig, tinyModel } from '../generate/tiny.ts'

const [rows = 256, batch = 64, steps = 16, kvHeads = 2, threads = 0, temperature = 1, topP = 1] = process.argv
  .slice(2, 9)
  .map(Number)
const profile = process.argv[9]

const config = {
  ...tinyConfig,
  vocab_size: 700,
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 4,
  num_attention_heads: 6,
  num_key_value_heads: kvHeads,
}
const next = stream(1, 'lengths')
const jobs = Array.from({ length: rows }, (_, i) => {
  const problem = Math.floor(i / 8)
  const ids = Array.from({ length: 60 + ((problem * 37) % 60) }, (_, n) => (problem * 31 + n * 7) % 700)
  return {
    prompt: { ids },
    same: ids.join(),
    budget: 60 + Math.floor(next() * 180),
    draw: stream(1, i),
  }
})
const shape = { ...shapeFor('cpu', batch), steps }
const runner = openRunner({ decoder: tinyModel(config) }, [], { temperature, topP }, { threads, profile })
for await (const _ of schedule(
  jobs.slice(0, 2).map(job => ({ ...job, budget: 2 })),
  runner,
  [],
  shape,
))
  void _
const start = performance.now()
const before = process.cpuUsage()
let tokens = 0
let first = 0
for await (const done of schedule(jobs, runner, [], shape)) {
  first ||= performance.now() - start
  tokens += done.tokens.length
}
const seconds = (performance.now() - start) / 1000
const { user, system } = process.cpuUsage(before)
process.stdout.write(
  `${JSON.stringify({ rows, batch, steps, kvHeads, threads, temperature, topP, tokens, seconds: +seconds.toFixed(2), 'tokens/s': Math.round(tokens / seconds), 'tokens/cpu-s': Math.round((tokens / (user + system)) * 1e6), first: Math.round(first) })}\n`,
)
await runner.close()
