/**
 * Random checkpoints of real sizes: InternVL3's dimensions, bfloat16 weights in shards with the index that Hugging Face
 * writes. The small files (tokenizer, processor) are those of the golden model. `tiny` is for trying scripts.
 */

import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { shapesOf } from '../../src/models/create.ts'
import { stream } from '../../src/random.ts'

const GOLDEN = 'fixtures/golden/models/internvl_chat'
const SHARD = 2e9

/** Dimensions of the language model and of the tower. */
export const SIZES = {
  '0.5b': { text: [896, 4864, 24, 14, 2, 151_674], tower: [1024, 4096, 24, 16] },
  '2b': { text: [1536, 8960, 28, 12, 2, 151_674], tower: [1024, 4096, 24, 16] },
  '8b': { text: [3584, 18_944, 28, 28, 4, 151_674], tower: [1024, 4096, 24, 16] },
  tiny: { text: [64, 96, 2, 4, 2, 1024], tower: [32, 64, 2, 4] },
} as const
export type Size = keyof typeof SIZES

export function configOf(size: Size) {
  const [hidden, intermediate, layers, heads, kvHeads, vocabulary] = SIZES[size].text
  const [width, feedForward, depth, towerHeads] = SIZES[size].tower
  return {
    architectures: ['InternVLChatModel'],
    model_type: 'internvl_chat',
    ...{ downsample_ratio: 0.5, ps_version: 'v2', dynamic_image_size: true, force_image_size: 448, select_layer: -1 },
    ...{ min_dynamic_patch: 1, max_dynamic_patch: 12, use_thumbnail: true, template: 'internvl2_5' },
    llm_config: {
      model_type: 'qwen2',
      ...{ vocab_size: vocabulary, hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers },
      ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, max_position_embeddings: 32768 },
      ...{ rms_norm_eps: 1e-6, hidden_act: 'silu', rope_theta: 1e6, tie_word_embeddings: false },
    },
    vision_config: {
      model_type: 'intern_vit_6b',
      ...{ hidden_size: width, intermediate_size: feedForward, num_hidden_layers: depth },
      ...{ num_attention_heads: towerHeads, image_size: 448, patch_size: 14, num_channels: 3, hidden_act: 'gelu' },
      ...{ norm_type: 'layer_norm', qkv_bias: true, qk_normalization: false, layer_norm_eps: 1e-6 },
    },
  }
}

/** A megabyte of weights, bfloat16: the upper halves of float32. */
function halves(values: () => number): Buffer {
  const whole = new Uint16Array(Float32Array.from({ length: 1 << 19 }, values).buffer)
  return Buffer.from(Uint16Array.from({ length: 1 << 19 }, (_, i) => whole[2 * i + 1]).buffer)
}

/** Writes the checkpoint of a size into `folder`, which must not exist. */
export async function makeCheckpoint(folder: string, size: Size): Promise<void> {
  const draw = stream(0, 'real')
  const [noise, ones, zeros] = [halves(() => (draw() - 0.5) * 0.05), halves(() => 1), halves(() => 0)]
  const config = configOf(size)
  cpSync(GOLDEN, folder, { recursive: true })
  rmSync(join(folder, 'model.safetensors'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
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
    const out = await open(join(folder, file), 'w')
    await out.writeFile(Buffer.concat([length, text]))
    for (const [name, shape] of entries) {
      const piece = shape.length > 1 ? noise : name.endsWith('bias') ? zeros : ones
      for (let left = bytesOf(shape); left > 0; left -= piece.length) await out.writeFile(piece.subarray(0, left))
    }
    await out.close()
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }))
}
