/** Exports by the Hub's tools (fixtures/golden/make_exports.py), laid out as folders, and where they keep their weights. */

import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { partsOf } from '../../src/generate/forward.ts'
import { openRunner } from '../../src/generate/runner.ts'
import { schedule, shapeFor } from '../../src/generate/scheduler.ts'
import type { Graph } from '../../src/graph/ir.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import { type Message, openChat } from '../../src/models/chat.ts'
import { type FolderOptions, openFolder } from '../../src/models/folder.ts'
import { productOf } from '../../src/models/products.ts'
import { goldenPath } from './tiny.ts'

export const exportsPath = goldenPath('../exports')

/** An export in a folder of its own in `dir`, with what the tools copy beside it. */
export function laid(name: string, dir: string): string {
  const out = join(dir, name)
  mkdirSync(out, { recursive: true })
  cpSync(join(exportsPath, name), out, { recursive: true })
  const files = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']
  if (name === 'optimum') files.push('config.json')
  for (const file of files) cpSync(join(goldenPath('qwen2'), file), join(out, file))
  return out
}

/** The exported graphs of a vision-language model with what else is in the folder of its goldens, but its checkpoint. */
export function laidVision(name: string, source: string, dir: string): string {
  const out = join(dir, name)
  const filter = (file: string) => !/safetensors|golden|adapter/.test(file.slice(goldenPath(source).length))
  cpSync(goldenPath(source), out, { recursive: true, filter })
  cpSync(join(exportsPath, name), out, { recursive: true })
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

/** Where a graph keeps a weight of PyTorch's: whether transposed, and the first row where several are packed. */
export interface Place {
  name: string
  transposed: boolean
  from: number
}

/** Finds weights by PyTorch's names, in whatever module of a larger model they are. `names`: what is trained. */
export function places(graphs: Graph[], names: string[]): (weight: string) => Place {
  const found = new Map<string, Place>()
  for (const name of names) found.set(inner(name), { name, transposed: false, from: 0 })
  for (const graph of graphs) {
    const makers = graph.producers()
    for (const node of graph.nodes) {
      const product = productOf(graph, node, makers)
      if (!product?.weight) continue
      let from = 0
      for (const { module, rows } of product.parts ?? [{ module: product.module, rows: product.shape[0] }]) {
        found.set(inner(`${module}.weight`), { name: product.weight, transposed: product.transposed, from })
        from += rows
      }
    }
  }
  return weight => found.get(inner(weight)) ?? vector(inner(weight), found)
}

/** A name without those of the models around it, and without the graph's. */
const inner = (name: string) =>
  name.replace(/^\w+\//, '').replace(/^((model|language_model|text_model|vision_model|vision_tower)\.)+/, '')

/** Where onnxruntime-genai has norms and biases, of two layers with 4 heads of 8, two of keys. */
function vector(weight: string, found: Map<string, Place>): Place {
  const own = weight.replace('.self_attn.', '.attn.').replace(/^norm\./, 'layers.2.final_norm_layernorm.')
  const [, before, which] = /^(.*)\.([qkv])_proj\.bias$/.exec(own) ?? []
  const place = found.get(before ? `${before}.qkv_proj.Add.bias` : own)
  if (!place) throw new Error(`no weight ${weight}`)
  return { ...place, from: which ? { q: 0, k: 32, v: 48 }[which]! : 0 }
}

/** The part of a gradient that belongs to a weight of PyTorch's with `count` elements. */
export function picked({ data, shape }: HostTensor, { transposed, from }: Place, count: number): number[] {
  const [first, second = 1] = transposed ? shape.toReversed() : [shape[0], shape.slice(1).reduce((a, b) => a * b, 1)]
  return Array.from({ length: count }, (_, i) => {
    const [row, column] = [from + Math.floor(i / second), i % second]
    return Number(data[transposed ? column * first + row : row * second + column])
  })
}

/** Gradients as near as float noise lets them be. */
export function alike(ours: ArrayLike<number>, theirs: ArrayLike<number>, what: string) {
  assert.is(ours.length, theirs.length, what)
  const difference = Math.hypot(...Array.from(theirs, (x, i) => x - Number(ours[i])))
  const error = difference / Math.max(Math.hypot(...Array.from(theirs)), 1e-2)
  if (process.env.SHOW) console.log(what, error)
  assert.ok(error < 1e-3, `${what}: relative error ${error}`)
}
