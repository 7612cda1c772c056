/**
 * The gradients of whole models against PyTorch's: every tensor of a small random model of each architecture, and of
 * the tiny reasoner and policy, vision towers included, under Hugging Face's own loss on a padded batch. The goldens are
 * made by fixtures/golden/make_*.py; of all but the first two they hold sketches of the gradients.
 */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { attentionInBlocks } from '../../src/autodiff/attention.ts'
import { lower } from '../../src/autodiff/lower.ts'
import { recompute, recomputeActivations } from '../../src/autodiff/recompute.ts'
import { gradients } from '../../src/autodiff/reverse.ts'
import { inline } from '../../src/graph/inline.ts'
import { Graph, type Tensor } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { buildGraphs } from '../../src/models/builders/index.ts'
import { loadTensor, openCheckpoint } from '../../src/models/safetensors.ts'
import { embedded } from '../../src/train/head.ts'
import { sketchedError } from './sketch.ts'

const test = suite('autodiff: PyTorch')

type Read = HostTensor & { bytes: Uint8Array }

const fixture = (path: string) => readFileSync(new URL(`../../fixtures/${path}`, import.meta.url))

function safetensors(path: string): Record<string, Read> {
  const file = fixture(`${path}.safetensors`)
  const start = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__, ...header } = JSON.parse(file.subarray(8, start).toString())
  const entries = Object.entries(header as Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>)
  const read = ({ dtype, shape, data_offsets: [from, to] }: (typeof entries)[0][1]): Read => {
    const bytes = new Uint8Array(file.subarray(start + from, start + to)) // a copy, so aligned
    if (dtype === 'F32') return { dtype: 'float32', shape, data: new Float32Array(bytes.buffer), bytes }
    return { dtype: 'int64', shape, data: new BigInt64Array(bytes.buffer), bytes }
  }
  return Object.fromEntries(entries.map(([name, entry]) => [name, read(entry)]))
}

/** A checkpoint's weights in single precision. */
async function single(folder: string): Promise<Record<string, Read>> {
  const checkpoint = (await openCheckpoint(fileURLToPath(new URL(`../../fixtures/${folder}`, import.meta.url))))!
  const load = async ([name, tensor]: [string, Tensor]) => {
    const host = await loadTensor(tensor, checkpoint.folder, true)
    return [name, { ...host, bytes: new Uint8Array(host.data.buffer, host.data.byteOffset, host.data.byteLength) }]
  }
  return Object.fromEntries(await Promise.all([...checkpoint.tensors].map(load)))
}

const int64 = (values: number[], shape: number[]): HostTensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
})

const MODELS = {
  qwen2: ['golden/models/qwen2', 'golden/models/qwen2'],
  qwen3: ['golden/models/qwen3', 'golden/models/qwen3'],
  llama: ['golden/models/llama', 'golden/models/llama'],
  smollm3: ['golden/models/smollm3', 'golden/models/smollm3'],
  internlm2: ['golden/models/internlm2', 'golden/models/internlm2'],
  llava: ['golden/models/llava', 'golden/models/llava'],
  reasoner: ['reasoner', 'golden/reasoner'],
  policy: ['policy', 'golden/policy'],
}

const startOf = (g: Graph) => embedded(g) ?? g.nodes.findLast(({ op }) => op === 'ScatterND')!.outputs[0]
const blocks = (g: Graph) => attentionInBlocks(g, startOf(g), 'loss', () => 3)
const WAYS: Record<string, (g: Graph) => number[]> = {
  'as it is': () => [],
  'attention in blocks': g => [blocks(g)],
  // Two norms and a gate a layer, and the norm before the head.
  'activations recomputed': g => [(recomputeActivations(g, startOf(g), 'loss') - 1) / 3],
  'layers recomputed': g => [recompute(g, startOf(g), 'loss')],
  'attention in blocks, layers recomputed': g => [blocks(g), recompute(g, startOf(g), 'loss')],
}

for (const [name, [folder, truth]] of Object.entries(MODELS))
  for (const [way, fit] of Object.entries(WAYS)) {
    test(`${name}, ${way}: loss and the gradient of every tensor`, async () => {
      const [golden, checkpoint] = [safetensors(`${truth}/golden`), await single(folder)]
      const { train, gradients: sketches } = JSON.parse(fixture(`${truth}/golden.json`).toString())
      const config = JSON.parse(fixture(`${folder}/config.json`).toString())
      const parts = buildGraphs(config, (weight, shape) => ({
        dtype: 'float32',
        shape,
        data: checkpoint[weight].bytes,
      }))
      const feeds = batch(golden, config.image_token_index)
      const g = new Graph(name)
      for (const [input, { dtype, shape }] of Object.entries(feeds)) g.input(input, dtype, shape.map((_, i) => `${input}.${i}`)) // biome-ignore format: one thought
      g.types.set('picks', { dtype: 'int64', shape: ['R'] })
      g.types.set('targets', { dtype: 'int64', shape: ['R', 1] })
      const loss = likelihood(g, logits(g, parts))
      g.output(loss, 'loss')
      const known = (weight: string) => (sketches ? weight in sketches : `grad.${weight}` in golden)
      const weights = Object.keys(checkpoint).filter(known)
      assert.is(
        weights.length,
        Object.keys(checkpoint).length - (config.vision_config ? 2 : 0),
        'all but the closing norm',
      )
      const layers = (config.text_config ?? config).num_hidden_layers
      for (const found of fit(g)) assert.is(found, layers)
      const found = gradients(g, loss, weights)
      for (const weight of weights) g.output(found.get(weight)!, `grad.${weight}`)
      lower(g)
      const session = await openSession(modelOf(g), { threads: 1 })
      const made = await session.run(feeds)
      await session.close()
      assert.ok(Math.abs(Number(made.loss.data[0]) - train.loss) < 1e-5)
      for (const weight of weights) {
        const gradient = made[`grad.${weight}`]
        assert.equal(gradient.shape, checkpoint[weight].shape, weight)
        const error = sketches
          ? sketchedError(gradient.data as Float32Array, sketches[weight])
          : relativeError(gradient, golden[`grad.${weight}`])
        assert.ok(error < 1e-4, `${weight}: relative error ${error}`)
      }
    })
  }

/** The batch of case `train`, padded on the left; where the pictures' tokens and the learnt ones stand. */
function batch(golden: Record<string, Read>, imageToken?: number): Record<string, HostTensor> {
  const [ids, mask, labels] = ['input_ids', 'attention_mask', 'labels'].map(key => golden[`train.${key}`])
  const [rows, length] = ids.shape
  const positions: number[] = []
  const [picks, targets, places]: number[][] = [[], [], []]
  for (let i = 0, position = 0; i < rows * length; i++) {
    position = i % length === 0 ? -1 : position
    positions.push(mask.data[i] ? ++position : 1)
    if (Number(ids.data[i]) === imageToken) places.push(i)
    if (i % length === 0 || Number(labels.data[i]) < 0) continue
    picks.push(i - 1)
    targets.push(Number(labels.data[i]))
  }
  return {
    input_ids: ids,
    attention_mask: mask,
    position_ids: int64(positions, ids.shape),
    picks: int64(picks, [picks.length]),
    targets: int64(targets, [targets.length, 1]),
    ...(imageToken && { pixel_values: golden['train.pixel_values'], places: int64(places, [places.length, 1]) }),
  }
}

/** (B, T, V), of a text model or of one that sees. */
function logits(
  g: Graph,
  { model, decoder_model_merged, embed_tokens, vision_encoder }: Record<string, Graph>,
): string {
  const decoder = model ?? decoder_model_merged
  const bindings: Record<string, string> = {
    input_ids: 'input_ids',
    attention_mask: 'attention_mask',
    position_ids: 'position_ids',
  }
  const batch = g.op('Shape', ['input_ids'], { start: 0, end: 1 })
  for (const name of decoder.inputs.filter(input => input.startsWith('past'))) {
    const [, heads, , size] = decoder.shape(name) as number[]
    bindings[name] = g.op('ConstantOfShape', [g.op('Concat', [batch, g.ints([heads, 0, size])], { axis: 0 })])
  }
  if (vision_encoder) {
    const text = inline(g, embed_tokens, { input_ids: 'input_ids' }, 'embed/').inputs_embeds
    const { image_features } = inline(g, vision_encoder, { pixel_values: 'pixel_values' }, 'vision/')
    const width = Number(g.shape(text)!.at(-1))
    const flat = (x: string) => g.op('Reshape', [x, g.ints([-1, width])])
    const merged = g.op('ScatterND', [flat(text), 'places', flat(image_features)])
    bindings.inputs_embeds = g.op('Reshape', [merged, g.op('Shape', [text])])
  }
  return inline(g, decoder, bindings, 'decoder/').logits
}

/** −mean log π(target) over the learnt positions. */
function likelihood(g: Graph, logits: string): string {
  const flat = g.op('Reshape', [logits, g.ints([-1, Number(g.shape(logits)!.at(-1))])])
  const logs = g.op('LogSoftmax', [g.op('Gather', [flat, 'picks'])], { axis: -1 })
  const picked = g.op('GatherElements', [logs, 'targets'], { axis: 1 })
  return g.op('Neg', [g.op('ReduceMean', [picked], { keepdims: 0 })])
}

/** ‖a − b‖ / ‖b‖, where b is not all rounding: without rotary positions, the keys' bias has no effect and no gradient. */
function relativeError(a: HostTensor, b: HostTensor): number {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array]
  return Math.hypot(...x.map((v, i) => v - y[i])) / Math.max(Math.hypot(...y), 1e-2)
}

test.run()
