/**
 * A checkpoint of a real size: InternVL3-2B's dimensions, random bfloat16 weights, in shards. Measured: seconds and peak
 * memory of `convert`, of a greedy caption, and of training steps with adapters. It takes 10 GB of disk, and a while.
 * Run: npm run bench:real [-- FOLDER], which keeps what it makes in FOLDER. Linux only: memory is read from /proc.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { shapesOf } from '../../src/models/create.ts'
import { stream } from '../../src/random.ts'

const kept = process.argv[2]
const dir = kept ?? mkdtempSync(join(tmpdir(), 'sophia-real-'))
mkdirSync(dir, { recursive: true })
const [source, model] = [join(dir, 'checkpoint'), join(dir, 'model')]
const golden = 'fixtures/golden/models/internvl_chat'

const config = {
  architectures: ['InternVLChatModel'],
  model_type: 'internvl_chat',
  ...{ downsample_ratio: 0.5, ps_version: 'v2', dynamic_image_size: true, force_image_size: 448, select_layer: -1 },
  ...{ min_dynamic_patch: 1, max_dynamic_patch: 12, use_thumbnail: true, template: 'internvl2_5' },
  llm_config: {
    model_type: 'qwen2',
    ...{ vocab_size: 151674, hidden_size: 1536, intermediate_size: 8960, num_hidden_layers: 28 },
    ...{ num_attention_heads: 12, num_key_value_heads: 2, max_position_embeddings: 32768, rms_norm_eps: 1e-6 },
    ...{ hidden_act: 'silu', rope_theta: 1e6, tie_word_embeddings: false },
  },
  vision_config: {
    model_type: 'intern_vit_6b',
    ...{ hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, num_attention_heads: 16 },
    ...{ image_size: 448, patch_size: 14, num_channels: 3, hidden_act: 'gelu', norm_type: 'layer_norm' },
    ...{ qkv_bias: true, qk_normalization: false, layer_norm_eps: 1e-6 },
  },
}
const SHARD = 2e9

/** A megabyte of weights each, bfloat16: the upper halves of float32. */
const halves = (values: () => number) => {
  const whole = new Uint16Array(Float32Array.from({ length: 1 << 19 }, values).buffer)
  return Buffer.from(Uint16Array.from({ length: 1 << 19 }, (_, i) => whole[2 * i + 1]).buffer)
}
const draw = stream(0, 'real')
const [noise, ones, zeros] = [halves(() => (draw() - 0.5) * 0.05), halves(() => 1), halves(() => 0)]

if (!existsSync(source)) await makeCheckpoint()
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

/** Shards of bfloat16, with the index that Hugging Face writes. */
async function makeCheckpoint(): Promise<void> {
  cpSync(golden, source, { recursive: true })
  rmSync(join(source, 'model.safetensors'))
  writeFileSync(join(source, 'config.json'), JSON.stringify(config))
  const shards: [string, number[]][][] = [[]]
  let held = 0
  const bytesOf = (shape: number[]) => 2 * shape.reduce((a, b) => a * b, 1)
  for (const entry of shapesOf(config)) {
    if (held + bytesOf(entry[1]) > SHARD) held = shards.push([]) && 0
    held += bytesOf(entry[1])
    shards.at(-1)!.push(entry)
  }
  const weight_map: Record<string, string> = {}
  for (const [i, entries] of shards.entries()) {
    const pad = (n: number) => String(n).padStart(5, '0')
    const file = `model-${pad(i + 1)}-of-${pad(shards.length)}.safetensors`
    let at = 0
    const header = Object.fromEntries(
      entries.map(([name, shape]) => {
        weight_map[name] = file
        const start = at
        at += bytesOf(shape)
        return [name, { dtype: 'BF16', shape, data_offsets: [start, at] }]
      }),
    )
    const text = Buffer.from(JSON.stringify(header))
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(text.length))
    const out = await open(join(source, file), 'w')
    await out.writeFile(Buffer.concat([length, text]))
    for (const [name, shape] of entries) {
      const piece = shape.length > 1 ? noise : name.endsWith('bias') ? zeros : ones
      for (let left = bytesOf(shape); left > 0; left -= piece.length) await out.writeFile(piece.subarray(0, left))
    }
    await out.close()
  }
  writeFileSync(join(source, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }))
}

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
