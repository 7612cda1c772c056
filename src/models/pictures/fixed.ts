/**
 * Pictures that all become one size, by the folder's processor in transformers.js: LLaVA. A picture is as many image
 * tokens as the tower makes patches of it, as in Hugging Face's processor.
 */

import type { RawImage } from '@huggingface/transformers'
import { UserError } from '../../errors.ts'
import type { HostTensor } from '../../graph/session.ts'
import type { ModelFolder } from '../folder.ts'
import { decodeImage } from './decode.ts'
import { joinVision, type Pictures } from './pictures.ts'
import { type ImageProcessor, processorOf } from './processor.ts'

interface Settings {
  patch_size?: number
  num_additional_image_tokens?: number
}

export async function fixedPictures({ path, config, imageToken }: ModelFolder): Promise<Pictures> {
  const library = await import('@huggingface/transformers')
  const { images: held, whole: settings } = await processorOf<ImageProcessor, Settings>(path)
  const kinds = library as unknown as Record<string, typeof library.ImageProcessor>
  const Kind = kinds[held.image_processor_type?.replace(/(Fast|Pil)$/, '') ?? ''] ?? library.ImageProcessor
  const processor = new Kind(held as never)
  const tokenizer = await library.AutoTokenizer.from_pretrained(path, { local_files_only: true })
  const placeholder = tokenizer.decode([imageToken!])
  const tower = config.vision_config as { patch_size: number; model_type?: string }
  const patch = settings.patch_size ?? tower.patch_size
  const strategy = (config.vision_feature_select_strategy as string | undefined) ?? 'default'
  const others = settings.num_additional_image_tokens ?? (tower.model_type === 'clip_vision_model' ? 1 : 0)
  const extra = others - (strategy === 'default' ? 1 : 0) // default drops the class token

  const shaped = async (bytes: Uint8Array): Promise<HostTensor> => {
    const { pixel_values } = await processor(await shortened(await decodeImage(bytes), held))
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

/**
 * With the shorter side as long as asked for, where nothing else is: the longer one is cut off as in Python, where
 * transformers.js rounds it to two digits first, and then finds nothing left to do.
 */
async function shortened(image: RawImage, { size, resample }: ImageProcessor): Promise<RawImage> {
  if (!size?.shortest_edge || size.longest_edge) return image
  const short = Math.min(image.width, image.height)
  const [width, height] = [image.width, image.height].map(side => Math.trunc((size.shortest_edge! * side) / short))
  return image.rgb().resize(width, height, { resample: (resample ?? 3) as never })
}
