/**
 * Pictures that all become one size, by the folder's processor in transformers.js: LLaVA. A picture is as many image
 * tokens as the tower makes patches of it, as in Hugging Face's processor.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'
import type { HostTensor } from '../../graph/session.ts'
import { readJson } from '../config.ts'
import type { ModelFolder } from '../folder.ts'
import { decodeImage } from './decode.ts'
import { joinVision, type Pictures } from './pictures.ts'

interface Settings {
  patch_size?: number
  num_additional_image_tokens?: number
}

export async function fixedPictures({ path, config, imageToken }: ModelFolder): Promise<Pictures> {
  const { AutoImageProcessor, AutoTokenizer } = await import('@huggingface/transformers')
  if (!existsSync(join(path, 'preprocessor_config.json'))) {
    throw new UserError(`${path}: expected preprocessor_config.json in the folder of a vision-language model`)
  }
  const processor = await AutoImageProcessor.from_pretrained(path, { local_files_only: true })
  const tokenizer = await AutoTokenizer.from_pretrained(path, { local_files_only: true })
  const placeholder = tokenizer.decode([imageToken!])
  const settings = (await readJson<Settings>(path, 'processor_config.json')) ?? {}
  const patch = settings.patch_size ?? (config.vision_config as { patch_size: number }).patch_size
  const strategy = (config.vision_feature_select_strategy as string | undefined) ?? 'default'
  const extra = (settings.num_additional_image_tokens ?? 0) - (strategy === 'default' ? 1 : 0) // default drops the class token

  const shaped = async (bytes: Uint8Array): Promise<HostTensor> => {
    const { pixel_values } = await processor(await decodeImage(bytes))
    return { dtype: 'float32', shape: pixel_values.dims as number[], data: pixel_values.data as Float32Array } // (1, C, H, W)
  }
  // The same picture is asked about many times: its pixels are kept for as long as its bytes are.
  const kept = new WeakMap<Uint8Array, Promise<HostTensor>>()
  const pixelsOf = (bytes: Uint8Array) => {
    const made = kept.get(bytes) ?? shaped(bytes)
    kept.set(bytes, made)
    return made
  }
  let text: string | undefined

  return {
    placeholder,
    async sight(image) {
      if (text === undefined) {
        const [height, width] = (await pixelsOf(image)).shape.slice(-2)
        text = placeholder.repeat(Math.floor(height / patch) * Math.floor(width / patch) + extra)
      }
      return { text }
    },
    async vision(images) {
      const each = await Promise.all(images.map(pixelsOf))
      const { shape } = each[0]
      if (shape.length !== 4 || each.some(other => other.shape.join() !== shape.join())) {
        const shapes = [...new Set(each.map(other => `(${other.shape.join(', ')})`))].join(' and ')
        throw new UserError(`${path}: expected its processor to give all pictures one size (1, C, H, W), got ${shapes}`)
      }
      return joinVision(each.map(pixel_values => ({ pixel_values })))
    },
  }
}
