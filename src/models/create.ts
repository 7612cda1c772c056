/**
 * A new model with random weights, as a complete folder: what training from nothing starts with. Which tensors there
 * are is learnt from the builders, who ask for each by name and shape; so a tied output head is never stored.
 */

import { sizeOf, type Tensor } from '../graph/ir.ts'
import { stream } from '../random.ts'
import { buildGraphs } from './builders/index.ts'
import { SIGLIP } from './builders/siglip.ts'
import { type VitConfig, vit } from './builders/vit.ts'
import type { Config } from './config.ts'
import { wholeFolder, writeBuilt, writeFiles, writeWeights } from './write.ts'

export interface Init {
  seed: number
  /** Standard deviation of matrices and embeddings; Hugging Face's default is 0.02 for all. Norms are 1, biases 0. */
  deviation?: number | ((name: string, shape: number[]) => number)
  overwrite?: boolean
}

/**
 * Makes the folder `out`.
 *
 * @param config a complete `config.json`
 * @param files the rest of the folder by name (tokenizer.json, preprocessor_config.json, …): text, bytes or JSON
 */
export async function createFolder(out: string, config: Config, files: Record<string, unknown>, init: Init) {
  const shapes = shapesOf(config)
  const tensors = new Map([...shapes].map(([name, shape]): [string, Tensor] => [name, randomTensor(name, shape, init)]))
  const fill = async (part: string) => {
    await writeFiles(part, { 'config.json': config, ...templateFile(files), ...files })
    const references = await writeWeights(part, tensors, part)
    await writeBuilt(part, config, name => references.get(name)!)
  }
  await wholeFolder(out, fill, init.overwrite)
}

/** transformers.js finds the chat template in the tokenizer's config, Python's processors in a file of its own. */
function templateFile(files: Record<string, unknown>): Record<string, string> {
  const held = files['tokenizer_config.json']
  const settings = held instanceof Uint8Array ? Buffer.from(held).toString() : held
  const { chat_template } = (typeof settings === 'string' ? JSON.parse(settings) : (settings ?? {})) as Settings
  return typeof chat_template === 'string' ? { 'chat_template.jinja': chat_template } : {}
}

interface Settings {
  chat_template?: unknown
}

/** Names and shapes of all tensors of a checkpoint with this config. */
export function shapesOf(config: Config): Map<string, number[]> {
  const shapes = new Map<string, number[]>()
  const learn = (name: string, shape: number[]): Tensor => {
    shapes.set(name, shape)
    return { dtype: 'float32', shape, file: 'model.safetensors', offset: 0, length: 4 * sizeOf(shape) }
  }
  buildGraphs(config, learn)
  const vision = config.vision_config as (VitConfig & { model_type: string }) | undefined
  if (vision?.model_type === 'siglip_vision_model') {
    // The whole tower is part of the checkpoint, though its last layers and closing norm may go unused.
    vit(vision, SIGLIP, { find: learn, compute: 'float32' }, 'vision_tower.')
    for (const kind of ['weight', 'bias']) learn(`vision_tower.post_layernorm.${kind}`, [vision.hidden_size])
  }
  return shapes
}

function randomTensor(name: string, shape: number[], { seed, deviation = 0.02 }: Init): Tensor {
  const data = new Float32Array(sizeOf(shape))
  if (shape.length > 1) {
    const scale = typeof deviation === 'number' ? deviation : deviation(name, shape)
    const next = stream(seed, 'weights', name)
    for (let i = 0; i < data.length; i += 2) {
      // Two normal draws by Box and Muller (1958).
      const [radius, angle] = [scale * Math.sqrt(-2 * Math.log(1 - next())), 2 * Math.PI * next()]
      data[i] = radius * Math.cos(angle)
      if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle)
    }
  } else if (name.endsWith('.weight')) {
    data.fill(1) // the only vectors called weight are those of norms
  }
  return { dtype: 'float32', shape, data: new Uint8Array(data.buffer) }
}
