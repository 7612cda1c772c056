/** Small decoders with random weights, for tests and benchmarks that need a model and no training. */

import type { Graph, Tensor } from '../../src/graph/ir.ts'
import type { Weights } from '../../src/models/builders/layers.ts'
import { decoder, embedTokens, model, type TextConfig } from '../../src/models/builders/text.ts'
import { stream } from '../../src/random.ts'

export const tinyConfig: TextConfig = {
  model_type: 'qwen2',
  vocab_size: 97,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  tie_word_embeddings: true,
}

/** Normal weights, wide enough that the logits differ clearly. */
export const randomWeights =
  (seed: number) =>
  (name: string, shape: number[]): Tensor => {
    const next = stream(seed, name)
    const size = shape.reduce((a, b) => a * b, 1)
    const one = name.endsWith('norm.weight')
    const scale = name.includes('embed_tokens') ? 0.5 : 1.5 / Math.sqrt(shape.at(-1)!)
    const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
    const data = Float32Array.from({ length: size }, () => (one ? 1 : normal() * scale))
    return { dtype: 'float32', shape, data: new Uint8Array(data.buffer) }
  }

const weights = (seed: number): Weights => ({ find: randomWeights(seed), compute: 'float32' })

/** The decoder as a text-only folder has it (`model`). */
export const tinyModel = (config = tinyConfig, seed = 1): Graph => model(config, weights(seed))

/** The decoder as a vision-language folder has it. */
export const tinyParts = (config = tinyConfig, seed = 1) => ({
  decoder: decoder(config, weights(seed)),
  embed: embedTokens(config, weights(seed)),
})
