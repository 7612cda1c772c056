/** Models small enough for tests: a text model and one that sees, with random weights held inline. */

import type { Tensor } from '../../src/graph/ir.ts'
import type { HostTensor } from '../../src/graph/session.ts'
import { buildGraphs, type Compute } from '../../src/models/builders/index.ts'
import { isHalf, narrow, widen } from '../../src/models/half.ts'
import { stream } from '../../src/random.ts'
import type { Parts } from '../../src/train/forward.ts'
import { withAdapters } from '../../src/train/lora.ts'
import type { Sequence } from '../../src/train/micro.ts'
import { freshState, type State } from '../../src/train/state.ts'
import { buildStep, decays, type StepOptions, type Trained } from '../../src/train/step.ts'
import { buildSteps } from '../../src/train/steps.ts'
import { Trainer } from '../../src/train/trainer.ts'
import type { UpdateOptions } from '../../src/train/update.ts'

export const VOCABULARY = 23
/** The token that stands for a patch, and the patches of a picture. */
export const PATCH = 22
export const PATCHES = 4
export const PICTURE = [3, 8, 8]

const text = {
  vocab_size: VOCABULARY,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
}
const vision = {
  model_type: 'siglip_vision_model',
  hidden_size: 12,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  image_size: 8,
  patch_size: 4,
}

const WHOLE = { compute: 'float32', stored: 'float32' } as const

export interface Tiny {
  parts: Parts
  trained: Trained[]
  values: Map<string, HostTensor>
}

/** What the graphs compute in, and what weights are stored in. */
interface Precision {
  compute: Compute
  stored: Compute
}

export function tiny(kind: 'text' | 'sees', seed = 1, { compute, stored }: Precision = WHOLE): Tiny {
  const draw = stream(seed, 'tiny')
  const made = new Map<string, Tensor>()
  const weights = (name: string, shape: number[]): Tensor => {
    if (!made.has(name)) {
      const one = name.includes('norm') && name.endsWith('weight') ? 1 : 0
      const length = shape.reduce((a, b) => a * b, 1)
      const data = Float32Array.from({ length }, () => one + (draw() - 0.5) * 0.5)
      const bytes = stored === 'float32' ? data : narrow(data, stored)
      made.set(name, { dtype: stored, shape, data: new Uint8Array(bytes.buffer) })
    }
    return made.get(name)!
  }
  const config =
    kind === 'text'
      ? { ...text, model_type: 'qwen2' }
      : { model_type: 'llava', text_config: { ...text, model_type: 'qwen2' }, vision_config: vision, vision_feature_layer: -1, vision_feature_select_strategy: 'full' } // biome-ignore format: one thought
  const parts = buildGraphs(config as never, weights, compute) as Parts
  const trained = [...made].map(([name, start]) => ({ name, start, decays: decays(name, start.shape) }))
  return { parts, trained, values: valuesOf(trained) }
}

/** Values that a trainer may change. */
export const copied = ({ values }: Pick<Tiny, 'values'>): Map<string, HostTensor> =>
  new Map([...values].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]))

export const valuesOf = (trained: Trained[]): Map<string, HostTensor> =>
  new Map(trained.map(({ name, start }) => [name, hostOf(start)]))

const hostOf = (start: Tensor): HostTensor => {
  const { buffer } = (start as { data: Uint8Array }).data.slice()
  const data = isHalf(start.dtype) ? widen(new Uint16Array(buffer), start.dtype) : new Float32Array(buffer)
  return { dtype: 'float32', shape: start.shape, data }
}

/** A text model with adapters whose B is not zero, so that A has a gradient. */
export function adapted({ parts }: Tiny): Tiny {
  const { graph, adapters } = withAdapters(parts.model!, { rank: 2, alpha: 4, seed: 1 })
  const trained = adapters.flatMap(({ a, b }) => [a, b]).map(({ name, start }) => ({ name, start, decays: true }))
  const values = valuesOf(trained)
  for (const [i, { data }] of [...values.values()].entries()) {
    const floats = data as Float32Array
    for (let k = 0; k < floats.length; k++) floats[k] += 0.1 * Math.sin(i + k)
  }
  return { parts: { model: graph }, trained, values }
}

export const ADAMW = { betas: [0.9, 0.95] as [number, number], epsilon: 1e-8, weightDecay: 0.05, clip: 1 }

export function openTiny(
  { parts, trained, values }: Tiny,
  options: UpdateOptions & Pick<StepOptions, 'fit' | 'loop'> & { carried?: boolean } = ADAMW,
  state?: State,
): Promise<Trainer> {
  const sees = parts.vision_encoder !== undefined
  const inputs = [{ name: 'pixel_values', dtype: 'float32' as const, shape: ['images', ...PICTURE] }]
  const reading = sees ? { eyes: { inputs, token: PATCH, blank: pictureOf(() => 0) } } : {}
  const how = { ...options, reading }
  const graph = options.carried ? buildSteps(parts, trained, options, how) : buildStep(parts, trained, how)
  const start = state ?? freshState(trained, copied({ values }))
  return Trainer.open(graph, trained, start, how, { threads: 1 })
}

/** A sequence that counts upwards from `first`, the first `prompt` tokens of it given; with a picture before it, if asked. */
export function counting(first: number, length: number, prompt: number, sees = false): Sequence {
  const count = Array.from({ length }, (_, t) => (first + t) % (VOCABULARY - 1))
  const patches = sees ? Array(PATCHES).fill(PATCH) : []
  const ids = Int32Array.from([...patches, ...count])
  const learnt = Uint8Array.from(ids, (_, t) => (t < patches.length + prompt ? 0 : 1))
  const draw = stream(first, 'picture')
  return { ids, learnt, weight: 1, ...(sees && { vision: pictureOf(draw) }) }
}

const pictureOf = (draw: () => number) => {
  const data = Float32Array.from({ length: PICTURE.reduce((a, b) => a * b, 1) }, draw)
  return { pixel_values: { dtype: 'float32' as const, shape: [1, ...PICTURE], data } }
}

/** The sequences, each token weighing the same. */
export function weighed(sequences: Sequence[]): Sequence[] {
  const targets = sequences.reduce((sum, { learnt }) => sum + learnt.reduce((a, b) => a + b, 0), 0)
  return sequences.map(sequence => ({ ...sequence, weight: 1 / targets }))
}
