/**
 * Memory and speed of a training step on a Qwen2.5-0.5B-shaped decoder, random weights in a checkpoint in the temporary
 * folder, the last 2,048 tokens learnt. Each case runs in a process of its own; memory is its peak as the kernel counts it.
 *
 *     npm run bench:memory [-- CASE ...]   a case: lora|full:LAYERS:LENGTH[:ROWS][:recompute][:offload][:peer], as full:24:512:4:offload
 *
 * A step is of ROWS sequences (1), one after the other. `offload` keeps the moments in a file in the temporary folder.
 * `peer` is PyTorch with transformers and peft on the same checkpoint (train_peer.py, wants them installed).
 * `npm run bench:train [-- STEPS CASE ...]` runs each case and its peer, one after the other: speed is that of the median
 * of STEPS steps (5) after the first, memory the peak of them all.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Tensor } from '../../src/graph/ir.ts'
import { buildGraphs } from '../../src/models/builders/index.ts'
import { layout, loadTensor, readSafetensors } from '../../src/models/safetensors.ts'
import { stream } from '../../src/random.ts'
import { queriesFor } from '../../src/train/forward.ts'
import { withAdapters } from '../../src/train/lora.ts'
import { momentFile } from '../../src/train/moments.ts'
import { trainingEnvironment } from '../../src/train/process.ts'
import { freshState } from '../../src/train/state.ts'
import { buildStep, decays, type Trained } from '../../src/train/step.ts'
import { Trainer } from '../../src/train/trainer.ts'

const CASES = [
  ...['lora:24:512', 'lora:24:2048', 'full:24:512:4:offload', 'full:24:2048:offload'],
  ...[2048, 4096, 8192, 16384].map(length => `lora:2:${length}:recompute`),
]
/** The first step is not timed; from the second on all of Adam's moments are in memory. */
const STEPS = 2
/** Tokens that are learnt at most. */
const LEARNT = 2048
const shape = (layers: number) => ({
  model_type: 'qwen2',
  architectures: ['Qwen2ForCausalLM'],
  vocab_size: 151_936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: layers,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  max_position_embeddings: 32_768,
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
})

const [first] = process.argv.slice(2)
if (first === '--one') await one(process.argv[3], Number(process.argv[4]))
else if (first === '--compare') compare(Number(process.argv[3] ?? 5), process.argv.slice(4))
else for (const name of process.argv.length > 2 ? process.argv.slice(2) : CASES) measure(name, STEPS)

/** Each case and then its peer: ours over theirs. */
function compare(steps: number, names: string[]): void {
  for (const name of names.length > 0 ? names : CASES.slice(0, 4)) {
    const [ours, theirs] = [name, `${name}:peer`].map(each => measure(each, steps + 1))
    const ratio = (key: 'tokensPerSecond' | 'peakGB') => round((ours?.[key] ?? Number.NaN) / (theirs?.[key] ?? Number.NaN)) // biome-ignore format: one thought
    const line = { case: name, steps, speed: ratio('tokensPerSecond'), memory: ratio('peakGB') }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
}

/** What the case's own process told, which is passed on too. */
function measure(name: string, steps: number): { tokensPerSecond: number; peakGB: number } | undefined {
  const peer = name.endsWith(':peer')
  const { kind, layers, length, rows } = parse(name)
  const folder = checkpoint(layers)
  const script = fileURLToPath(import.meta.url)
  const [command, ...args] = peer
    ? ['python3', join(script, '../train_peer.py'), kind, folder, String(length), String(rows), String(steps)]
    : [process.execPath, '--import', 'tsx', script, '--one', name, String(steps)]
  const env = peer ? process.env : trainingEnvironment()
  const { stdout, status } = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', env })
  process.stdout.write(status === 0 ? stdout : `{"case":"${name}","failed":${status}}\n`)
  return status === 0 ? JSON.parse(stdout) : undefined
}

/** A folder with config.json and model.safetensors, made where it is not there yet. */
function checkpoint(layers: number): string {
  const folder = join(tmpdir(), `sophia-bench-${layers}`)
  if (existsSync(join(folder, 'config.json'))) return folder
  mkdirSync(folder, { recursive: true })
  const sizes = new Map<string, { dtype: 'float32'; shape: number[] }>()
  buildGraphs(shape(layers) as never, (name, dims) => {
    sizes.set(name, { dtype: 'float32', shape: dims })
    return { dtype: 'float32', shape: dims, file: '', offset: 0, length: 0 }
  })
  const { header, references } = layout(sizes, 'model.safetensors')
  const file = openSync(join(folder, 'model.safetensors'), 'w')
  writeSync(file, header)
  const draw = stream(1, 'bench')
  const noise = Float32Array.from({ length: 1 << 20 }, () => (draw() - 0.5) * 0.07)
  const ones = new Float32Array(1 << 12).fill(1)
  for (const [name, { length }] of references as Map<string, { length: number }>) {
    const source = name.includes('norm') ? ones : noise
    for (let left = length; left > 0; left -= source.byteLength) writeSync(file, Buffer.from(source.buffer), 0, Math.min(left, source.byteLength)) // biome-ignore format: one thought
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(shape(layers)))
  return folder
}

/** One case, in this process. */
async function one(name: string, steps: number): Promise<void> {
  const { kind, layers, length, rows, recompute, offload } = parse(name)
  const { folder, tensors } = await readSafetensors(join(checkpoint(layers), 'model.safetensors'))
  const used = new Map<string, Tensor>()
  const parts = buildGraphs(shape(layers) as never, weight => {
    used.set(weight, tensors.get(weight)!)
    return tensors.get(weight)!
  })
  let model = parts.model!
  let trained: Trained[] = [...used].map(([weight, start]) => ({ name: weight, start, decays: decays(weight, start.shape) })) // biome-ignore format: one thought
  if (kind === 'lora') {
    const { graph, adapters } = withAdapters(model, { rank: 16, alpha: 32, seed: 1 })
    model = graph
    trained = adapters.flatMap(({ a, b }) => [a, b]).map(({ name, start }) => ({ name, start, decays: true }))
  }
  const values = new Map(await Promise.all(trained.map(async ({ name, start }) => [name, await loadTensor(start, folder)] as const))) // biome-ignore format: one thought
  const adamw = { betas: [0.9, 0.95] as [number, number], epsilon: 1e-8, weightDecay: 0.05, clip: 1 }
  const fit = { queries: queriesFor(length), recompute }
  const started = performance.now()
  const graph = buildStep({ model }, trained, { fit })
  const built = performance.now()
  const sizes = trained.map(({ name, start }) => ({ name, shape: start.shape }))
  const offloaded = offload ? await momentFile(join(tmpdir(), `sophia-bench-moments-${process.pid}`), sizes) : undefined
  const trainer = await Trainer.open(graph, trained, freshState(trained, values, false, offloaded), adamw, {
    folder,
    profile: process.env.PROFILE,
  })
  const opened = performance.now()
  const [sessionPeak] = peak()
  const ids = Int32Array.from({ length }, (_, t) => (t * 7919) % 151_936)
  const sequence = {
    ids,
    learnt: new Uint8Array(length).fill(1, Math.max(0, length - LEARNT)),
    weight: 1 / (rows * (length - 1)),
  }
  const seconds: number[] = []
  const cpu: number[] = []
  for (let step = 0; step < (length > 4096 ? 1 : steps); step++) {
    const [from, used] = [performance.now(), process.cpuUsage()]
    // As in most steps, the drift is not asked for.
    await trainer.step(Array(rows).fill([sequence]), 1e-5, undefined, false)
    seconds.push((performance.now() - from) / 1000)
    const { user, system } = process.cpuUsage(used)
    cpu.push((user + system) / 1e6)
  }
  const line = {
    case: name,
    peakGB: peak()[0],
    anonGB: peak()[1],
    sessionGB: sessionPeak,
    tokensPerSecond: round((rows * length) / median(seconds.length > 1 ? seconds.slice(1) : seconds)),
    buildSeconds: round((built - started) / 1000),
    openSeconds: round((opened - built) / 1000),
    stepSeconds: seconds.map(round),
    cpuSeconds: cpu.map(round), // tells more where the machine is shared
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  await trainer.close()
  rmSync(join(tmpdir(), `sophia-bench-moments-${process.pid}`), { force: true })
}

/** What the name of a case says. */
function parse(name: string) {
  const [kind, layers, length, ...more] = name.split(':')
  const rows = Number(more.find(word => /^\d+$/.test(word)) ?? 1)
  return {
    kind,
    layers: Number(layers),
    length: Number(length),
    rows,
    recompute: more.includes('recompute'),
    offload: more.includes('offload'),
  }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

function round(x: number): number {
  return Math.round(x * 100) / 100
}

/** Peak resident memory and what of it is no file now, in GB. */
function peak(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  return ['VmHWM', 'RssAnon'].map(key => round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)![1]) / 1024 ** 2))
}
