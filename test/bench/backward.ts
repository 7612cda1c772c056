/**
 * How fast forward and backward of a decoder run, and where the time goes; results belong in test/LOG.md.
 *
 *     npx tsx test/bench/backward.ts [threads] [hidden] [length] [batch]
 */

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { gradients } from '../../src/autodiff/reverse.ts'
import type { Graph, Tensor } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { model } from '../../src/models/builders/text.ts'
import { stream } from '../../src/random.ts'

const [threads, hidden, length, batch] = [2, 192, 256, 16].map((preset, i) => Number(process.argv[2 + i] ?? preset))
const [LAYERS, VOCABULARY, RUNS] = [2, 1024, 6]
const [heads, kvHeads, wide] = [hidden / 32, Math.max(1, hidden / 96), Math.round(hidden * 2.5)]

const config = {
  model_type: 'qwen2',
  vocab_size: VOCABULARY,
  hidden_size: hidden,
  intermediate_size: wide,
  num_hidden_layers: LAYERS,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
}

/** The decoder with the likelihood of every next token as its loss. */
function build(backward: boolean): Graph {
  const find = (name: string, shape: number[]): Tensor => {
    const next = stream(1, name)
    const size = shape.reduce((a, b) => a * b, 1)
    const data = Float32Array.from({ length: size }, () => (name.includes('norm') ? 1 : (next() - 0.5) * 0.1))
    return { dtype: 'float32', shape, data: new Uint8Array(data.buffer) }
  }
  const g = model(config, { find, compute: 'float32' })
  const logs = g.op('LogSoftmax', [g.outputs[0]], { axis: -1 })
  const labels = g.op('Unsqueeze', ['input_ids', g.ints([-1])])
  const loss = g.op('ReduceMean', [g.op('GatherElements', [logs, labels], { axis: -1 })], { keepdims: 0 })
  g.outputs = [loss]
  const weights = [...g.initializers.keys()].filter(name => name.startsWith('model.'))
  if (!backward) return g
  // Only the norms leave the graph, as in training.
  for (const gradient of gradients(g, loss, weights).values()) g.output(g.op('ReduceSumSquare', [gradient]))
  return g
}

const tokens = batch * length
const next = stream(2)
const int64 = (shape: number[], value: (i: number) => number): HostTensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(value(i))),
})
const empty: HostTensor = { dtype: 'float32', shape: [batch, kvHeads, 0, hidden / heads], data: new Float32Array(0) }
const feeds: Record<string, HostTensor> = {
  input_ids: int64([batch, length], () => Math.floor(next() * VOCABULARY)),
  attention_mask: int64([batch, length], () => 1),
  position_ids: int64([batch, length], i => i % length),
}
for (let i = 0; i < LAYERS; i++) for (const kind of ['key', 'value']) feeds[`past_key_values.${i}.${kind}`] = empty

const weightsALayer = hidden * (2 * hidden + 2 * kvHeads * 32 + 3 * wide)
const forward = tokens * (2 * LAYERS * (weightsALayer + 2 * length * hidden) + 2 * hidden * VOCABULARY)

const prefix = join(tmpdir(), `backward-${process.pid}`)
for (const backward of [false, true]) {
  const session = await openSession(modelOf(build(backward)), { threads, ...(backward && { profile: prefix }) })
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now()
    await session.run(feeds)
    times.push(performance.now() - start)
  }
  await session.close()
  const best = Math.min(...times)
  const speed = (forward * (backward ? 3 : 1)) / best / 1e6
  const label = backward ? 'forward + backward' : 'forward'
  console.log(
    `${label}: ${best.toFixed(0)} ms, ${Math.round((tokens / best) * 1000)} tokens/s, ${speed.toFixed(0)} GFLOP/s`,
  )
}

interface Event {
  cat: string
  name: string
  dur: number
  args: { op_name: string }
}
const trace = join(dirname(prefix), readdirSync(dirname(prefix)).find(file => file.startsWith(basename(prefix)))!)
const totals = new Map<string, number>()
for (const { cat, name, dur, args } of JSON.parse(readFileSync(trace, 'utf8')) as Event[]) {
  if (cat === 'Node' && name.endsWith('_kernel_time'))
    totals.set(args.op_name, (totals.get(args.op_name) ?? 0) + dur / 1000 / RUNS)
}
rmSync(trace)
for (const [op, ms] of [...totals].sort((a, b) => b[1] - a[1]).slice(0, 15))
  console.log(`${ms.toFixed(1).padStart(8)} ms  ${op}`)
