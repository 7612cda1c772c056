/**
 * How fast training steps are: a Qwen2 with random weights, one optimizer step of 64 sequences of 200 tokens, text only.
 * Run: npx tsx test/bench/train.ts [--threads N] [--micro-tokens N] [--steps N] [--profile PREFIX]
 */

import { parseArgs } from 'node:util'
import type { Tensor } from '../../src/graph/ir.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import { buildGraphs } from '../../src/models/builders/index.ts'
import { stream } from '../../src/random.ts'
import type { Parts } from '../../src/train/forward.ts'
import type { Sequence } from '../../src/train/micro.ts'
import { freshState } from '../../src/train/state.ts'
import { buildStep, decays, type Trained } from '../../src/train/step.ts'
import { Trainer } from '../../src/train/trainer.ts'

const options = {
  threads: { type: 'string', default: '0' },
  'micro-tokens': { type: 'string', default: '1024' },
  steps: { type: 'string', default: '4' },
  device: { type: 'string', default: 'cpu' },
  profile: { type: 'string' },
} as const
const { values: flags } = parseArgs({ options })
const shape = { layers: 4, width: 192, feedForward: 512, vocabulary: 700, heads: 6, kvHeads: 2 }
const [batch, length, prompt] = [64, 200, 60]

const draw = stream(1, 'bench')
const started = new Map<string, Tensor>()
const weights = (name: string, dims: number[]): Tensor => {
  const found = started.get(name)
  if (found) return found
  const size = dims.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: size }, () =>
    dims.length > 1 ? (draw() - 0.5) * 0.07 : name.includes('norm') ? 1 : 0,
  )
  const tensor: Tensor = { dtype: 'float32', shape: dims, data: new Uint8Array(data.buffer) }
  started.set(name, tensor)
  return tensor
}
const parts = buildGraphs(
  {
    model_type: 'qwen2',
    vocab_size: shape.vocabulary,
    hidden_size: shape.width,
    intermediate_size: shape.feedForward,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
  } as never,
  weights,
) as Parts
const trained: Trained[] = [...started].map(([name, start]) => ({ name, start, decays: decays(name, start.shape) }))
const settings = { betas: [0.9, 0.95] as [number, number], epsilon: 1e-8, weightDecay: 0.05, clip: 1, reading: {} }
const values = new Map(
  trained.map(({ name, start }): [string, HostTensor] => [
    name,
    { dtype: 'float32', shape: start.shape, data: new Float32Array((start as { data: Uint8Array }).data.buffer) },
  ]),
)
const before = performance.now()
const graph = buildStep(parts, trained)
const built = performance.now()
const session = { device: flags.device as 'cpu', threads: Number(flags.threads), profile: flags.profile }
const trainer = await Trainer.open(graph, trained, freshState(trained, values), settings, session)
process.stderr.write(`graph ${(built - before).toFixed(0)} ms, session ${(performance.now() - built).toFixed(0)} ms\n`)

const weight = 1 / (batch * (length - prompt))
const sequences: Sequence[] = Array.from({ length: batch }, () => ({
  ids: Int32Array.from({ length }, () => Math.floor(draw() * shape.vocabulary)),
  learnt: Uint8Array.from({ length }, (_, t) => (t < prompt ? 0 : 1)),
  weight,
}))
const rows = Math.floor(Number(flags['micro-tokens']) / length)
const micro: Sequence[][] = []
for (let i = 0; i < batch; i += rows) micro.push(sequences.slice(i, i + rows))

const parameters = trained.reduce((sum, { start }) => sum + start.shape.reduce((a, b) => a * b, 1), 0)
process.stderr.write(`${parameters.toLocaleString('en')} parameters\n`)
for (let step = 1; step <= Number(flags.steps); step++) {
  const [from, cpu] = [performance.now(), process.cpuUsage()]
  const { loss, gradNorm, tokens } = (await trainer.step(micro, 1e-3))!
  const seconds = (performance.now() - from) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const cpuSeconds = +((user + system) / 1e6).toFixed(3) // tells more than seconds where the machine is shared
  const tokensPerSecond = Math.round(tokens / seconds)
  const line = { step, loss, gradNorm, seconds: +seconds.toFixed(3), cpuSeconds, tokensPerSecond }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
await trainer.close()
