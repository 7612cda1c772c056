/** Exports by the Hub's tools (fixtures/golden/make_exports.py), laid out as folders, and where they keep their weights. */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { partsOf } from '../../src/generate/forward.ts'
import { openRunner } from '../../src/generate/runner.ts'
import { schedule, shapeFor } from '../../src/generate/scheduler.ts'
import type { Graph } from '../../src/graph/ir.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import { type Message, openChat } from '../../src/models/chat.ts'
import { convert } from '../../src/models/convert.ts'
import { type FolderOptions, openFolder } from '../../src/models/folder.ts'
import { productOf } from '../../src/models/products.ts'
import { goldenPath } from './tiny.ts'

export const exportsPath = goldenPath('../exports')

/** An export in a folder of its own in `dir`, with what the tools copy beside it; its config is that of models/SOURCE. */
export function laid(name: string, dir: string, source?: string): string {
  const out = unpacked(join(exportsPath, name), join(dir, name))
  const files = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']
  for (const file of files) cpSync(join(goldenPath('qwen2'), file), join(out, file))
  if (source ?? name === 'optimum') cpSync(join(goldenPath(source ?? 'qwen2'), 'config.json'), join(out, 'config.json'))
  if (source) rmSync(join(out, 'generation_config.json'))
  return out
}

/**
 * The exported graphs of a vision-language model with what else is in the folder of its goldens, but its checkpoint.
 * Graphs that are not exported are our own.
 */
export async function laidVision(name: string, source: string, dir: string): Promise<string> {
  const out = join(dir, name)
  if (readdirSync(join(exportsPath, name, 'onnx')).length < 3) {
    await convert(goldenPath(source), out, { verify: false })
    return unpacked(join(exportsPath, name), out)
  }
  const filter = (file: string) => !/safetensors|golden|adapter/.test(file.slice(goldenPath(source).length))
  cpSync(goldenPath(source), out, { recursive: true, filter })
  return unpacked(join(exportsPath, name), out)
}

/** Copies a folder; graphs are packed by gzip. */
function unpacked(from: string, out: string): string {
  cpSync(from, out, { recursive: true })
  for (const file of readdirSync(out, { recursive: true }) as string[]) {
    if (!file.endsWith('.gz')) continue
    writeFileSync(join(out, file.slice(0, -3)), gunzipSync(readFileSync(join(out, file))))
    rmSync(join(out, file))
  }
  return out
}

/** Greedy answers to chats as the engine makes them, in this process. Chats of one list run as one padded batch. */
export async function answers(model: string, chats: Message[][], options: FolderOptions & { maxTokens: number }) {
  const folder = await openFolder(model, options)
  const chat = await openChat(folder)
  const runner = openRunner(await partsOf(folder), folder.eos, { temperature: 0, topP: 1 }, { threads: 1, folder: folder.onnx }) // biome-ignore format: one thought
  const work = await Promise.all(
    chats.map(async (turns, i) => ({
      prompt: await chat.encode(turns, [], { generation: true }),
      same: String(i),
      budget: options.maxTokens,
      draw: () => 0,
    })),
  )
  const made: { text: string; logprob: number }[] = []
  for await (const { tokens, logprob } of schedule(
    work,
    runner,
    folder.eos,
    { ...shapeFor('cuda', 8), steps: 4 },
    () => false,
  )) {
    made.push({ text: chat.decode(tokens.filter(id => !folder.eos.includes(id))), logprob })
  }
  await runner.close()
  return made
}

/** Where a graph keeps a weight of PyTorch's: whether transposed, and which rows where several are packed. */
export interface Place {
  name: string
  transposed: boolean
  /** All of them where absent. */
  rows?: number[]
}

/** Finds weights by PyTorch's names, in whatever module of a larger model they are. `names`: what is trained. */
export function places(graphs: Graph[], names: string[]): (weight: string) => Place {
  const found = new Map<string, Place>()
  for (const name of names) found.set(inner(name), { name, transposed: false })
  for (const graph of graphs) {
    const makers = graph.producers()
    for (const node of graph.nodes) {
      const product = productOf(graph, node, makers)
      if (!product?.weight) continue
      const { weight: name, transposed, module, parts } = product
      found.set(inner(`${module}.weight`), { name, transposed })
      let from = 0
      for (const { module, rows } of parts ?? []) {
        found.set(inner(`${module}.weight`), { name, transposed, rows: range(from, rows) })
        from += rows
      }
    }
  }
  return weight => {
    const own = OTHERS.reduce((name, [from, to]) => name.replace(from, to), inner(weight))
    const place = found.get(own) ?? vector(own, found) ?? interleaved(own, found)
    if (!place) throw new Error(`no weight ${weight}: ${[...found.keys()].join(' ')}`)
    return place
  }
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)

/** A name without those of the models around it, and without the graph's. */
const inner = (name: string) =>
  name.replace(/^\w+\//, '').replace(/^((model|language_model|text_model|vision_model|vision_tower|visual)\.)+/, '')

/** InternLM2's names, as the builder for Llama has them. */
const OTHERS: [RegExp, string][] = [
  [/^tok_embeddings/, 'embed_tokens'],
  [/^output\./, 'lm_head.'],
  [/\.attention_norm\./, '.input_layernorm.'],
  [/\.ffn_norm\./, '.post_attention_layernorm.'],
  [/\.attention\.wo\./, '.self_attn.o_proj.'],
  [/\.feed_forward\.w1\./, '.mlp.gate_proj.'],
  [/\.feed_forward\.w2\./, '.mlp.down_proj.'],
  [/\.feed_forward\.w3\./, '.mlp.up_proj.'],
]

/** Where onnxruntime-genai has norms and biases. */
function vector(weight: string, found: Map<string, Place>): Place | undefined {
  const last = [...found.keys()].find(key => key.endsWith('.final_norm_layernorm.weight'))
  if (weight === 'norm.weight') return found.get(last!)
  const own = weight.replace('.self_attn.', '.attn.')
  const packed = found.get(own.replace(/\.[qkv]_proj\.bias$/, '.qkv_proj.Add.bias'))
  const rows = packed && found.get(weight.replace(/bias$/, 'weight'))?.rows
  if (rows) return { ...packed, rows }
  return found.get(own.replace(/\.bias$/, '.Add.bias')) ?? found.get(own.replace(/_norm\.weight$/, '_norm.layernorm.weight')) // biome-ignore format: one thought
}

/** InternLM2's wqkv: of each head of keys the queries, the keys, the values. Heads of 8, two of keys, four of queries. */
function interleaved(weight: string, found: Map<string, Place>): Place | undefined {
  const packed = found.get(weight.replace(/attention\.wqkv/, 'self_attn.qkv_proj'))
  return packed && { ...packed, rows: [0, 1].flatMap(head => [...range(16 * head, 16), ...range(32 + 8 * head, 8), ...range(48 + 8 * head, 8)]) } // biome-ignore format: one thought
}

/** The part of a gradient that belongs to a weight of PyTorch's. */
export function picked({ data, shape }: HostTensor, { transposed, rows }: Place): number[] {
  const [first, second] = transposed ? shape.toReversed() : [shape[0], shape.slice(1).reduce((a, b) => a * b, 1)]
  const width = second ?? 1
  return (rows ?? range(0, first)).flatMap(row =>
    Array.from({ length: width }, (_, column) =>
      Number(data[transposed ? column * first + row : row * width + column]),
    ),
  )
}

/** Gradients as near as float noise lets them be. */
export function alike(ours: ArrayLike<number>, theirs: ArrayLike<number>, what: string) {
  assert.is(ours.length, theirs.length, what)
  const difference = Math.hypot(...Array.from(theirs, (x, i) => x - Number(ours[i])))
  const error = difference / Math.max(Math.hypot(...Array.from(theirs)), 1e-2)
  if (process.env.SHOW) console.log(what, error)
  assert.ok(error < 1e-3, `${what}: relative error ${error}`)
}
