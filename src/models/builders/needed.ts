/**
 * The numbers of a config without which no graph can be built. One that is missing would show as a tensor of a strange
 * shape, as a crash, or, where it counts layers, not at all.
 */

import { UserError } from '../../errors.ts'

type Fields = Record<string, unknown>

const LAYERED = ['hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads']
const TEXT = ['vocab_size', ...LAYERED, 'rms_norm_eps']
const VIT = [...LAYERED, 'image_size', 'patch_size']
const QWEN = ['depth', 'num_heads', 'hidden_size', 'patch_size']

/** Of vision_config, where it is not an ordinary vision transformer's. */
const TOWERS: Record<string, string[]> = {
  qwen2_vl: [...QWEN, 'embed_dim'],
  qwen2_5_vl: [...QWEN, 'intermediate_size', 'out_hidden_size'],
}

/** @throws UserError that names the first field which is missing, or no number */
export function checkNumbers(config: { model_type: string } & Fields, vision: boolean): void {
  const part = ['text_config', 'llm_config'].find(name => config[name])
  check((part ? config[part] : config) as Fields, TEXT, part)
  if (!vision) return
  const tower = (config.vision_config ?? {}) as Fields
  // The authors' InternVL says it beside, too.
  const size = config.force_image_size ? { image_size: config.force_image_size } : {}
  check({ ...size, ...tower }, TOWERS[config.model_type] ?? VIT, 'vision_config')
}

function check(fields: Fields, names: string[], part?: string): void {
  for (const name of names) {
    const [value] = [fields[name]].flat() // sizes of pictures may be pairs
    if (typeof value === 'number') continue
    const [place, got] = [part ? `${part}.${name}` : name, JSON.stringify(fields[name]) ?? 'nothing']
    throw new UserError(`config.json: expected a number at ${place}, got ${got}. Fetch the config again`)
  }
  const width = fields.embed_dim ? 'embed_dim' : 'hidden_size'
  const heads = names.find(name => name.endsWith('heads'))!
  if (fields.head_dim || Number(fields[width]) % Number(fields[heads]) === 0) return
  throw new UserError(`config.json: expected ${width} ${fields[width]} to be a multiple of ${heads}, got ${fields[heads]}`) // biome-ignore format: one thought
}
