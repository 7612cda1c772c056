/**
 * Between text and pictures and what a model reads: tokenizer and chat template, image processor, by transformers.js
 * from the model's own folder. Placeholders of pictures are repeated to the number of features that the vision tower
 * makes of them, as Hugging Face's processors do. Left out: models that cut a picture into tiles.
 */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageProcessor, RawImage as RawImageType } from '@huggingface/transformers'
import { UserError } from '../errors.ts'
import type { HostTensor } from '../graph/session.ts'
import { readJson } from './config.ts'
import type { ModelFolder } from './folder.ts'

/** One turn of a chat. `images` counts how many of the request's images stand before the text of this turn. */
export interface Message {
  role: 'system' | 'user' | 'assistant'
  text: string
  images?: number
}

export interface Encoded {
  ids: number[]
  /** (N, C, H, W), one a picture, in their order in the text. */
  pixels?: HostTensor
}

export interface Chat {
  /**
   * @param images encoded pictures (PNG, JPEG, …)
   * @param options.generation ends with the opening of the assistant's turn
   * @throws UserError where pictures and placeholders do not match or a picture cannot be decoded
   */
  encode(messages: Message[], images: Uint8Array[], options: { generation: boolean }): Promise<Encoded>
  /** The chat as the template writes it, one placeholder a picture. */
  text(messages: Message[], options: { generation: boolean }): string
  /** Tokens to text; special tokens are left out. */
  decode(ids: number[]): string
}

export async function openChat(folder: ModelFolder): Promise<Chat> {
  const { AutoTokenizer, RawImage } = await import('@huggingface/transformers')
  const { path, kind, imageToken } = folder
  const settings = await readJson<{ clean_up_tokenization_spaces?: boolean }>(path, 'tokenizer_config.json')
  if (!settings || !existsSync(join(path, 'tokenizer.json'))) {
    throw new UserError(`${path}: expected tokenizer.json and tokenizer_config.json in the model folder`)
  }
  const tokenizer = await AutoTokenizer.from_pretrained(path, { local_files_only: true })
  const template = await chatTemplate(path)
  const pixelsOf = kind === 'vlm' ? await pixelReader(folder, RawImage) : undefined

  const text: Chat['text'] = (messages, { generation }) => {
    if (!template && !tokenizer.chat_template) {
      throw new UserError(`${path}: expected a chat_template in tokenizer_config.json, or chat_template.jinja`)
    }
    return tokenizer.apply_chat_template(messages.map(message => turn(message, kind)) as never, {
      tokenize: false,
      add_generation_prompt: generation,
      ...(template && { chat_template: template }),
    }) as string
  }
  return {
    text,
    async encode(messages, images, options) {
      const ids = tokenizer.encode(text(messages, options), { add_special_tokens: false })
      if (images.length > 0 && !pixelsOf)
        throw new UserError(`${path} takes no pictures, and was given ${images.length}`)
      const placeholders = imageToken === undefined ? 0 : ids.filter(id => id === imageToken).length
      if (placeholders !== images.length) {
        const word = imageToken === undefined ? '' : ` ${tokenizer.decode([imageToken])}`
        throw new UserError(`the prompt has ${placeholders} image placeholders${word} for ${images.length} pictures`)
      }
      if (!pixelsOf || images.length === 0) return { ids }
      const { pixels, features } = await pixelsOf(images)
      return { ids: ids.flatMap(id => (id === imageToken ? Array<number>(features).fill(id) : id)), pixels }
    },
    decode(ids) {
      if (ids.length === 0) return ''
      const clean = settings.clean_up_tokenization_spaces ?? false
      return tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: clean })
    },
  }
}

/** A message as chat templates know it: of parts where the model can see, else plain text. */
function turn({ role, text, images = 0 }: Message, kind: 'vlm' | 'lm') {
  if (kind === 'lm') return { role, content: text }
  return { role, content: [...Array(images).fill({ type: 'image' }), { type: 'text', text }] }
}

/** Newer checkpoints keep the template in a file of its own, which transformers.js does not look for. */
async function chatTemplate(path: string): Promise<string | undefined> {
  const file = join(path, 'chat_template.jinja')
  if (existsSync(file)) return readFile(file, 'utf8')
  return (await readJson<{ chat_template?: string }>(path, 'chat_template.json'))?.chat_template
}

interface Processor {
  patch_size?: number
  num_additional_image_tokens?: number
  image_processor?: object
}

/** Decodes pictures and has the folder's processor shape them; `features` is how many image tokens each becomes. */
async function pixelReader({ path, config }: ModelFolder, RawImage: typeof RawImageType) {
  const { AutoImageProcessor } = await import('@huggingface/transformers')
  if (!existsSync(join(path, 'preprocessor_config.json'))) {
    throw new UserError(`${path}: expected preprocessor_config.json in the folder of a vision-language model`)
  }
  const processor: ImageProcessor = await AutoImageProcessor.from_pretrained(path, { local_files_only: true })
  const settings = (await readJson<Processor>(path, 'processor_config.json')) ?? {}
  const patch = settings.patch_size ?? (config.vision_config as { patch_size: number }).patch_size
  const strategy = (config.vision_feature_select_strategy as string | undefined) ?? 'default'
  const extra = (settings.num_additional_image_tokens ?? 0) - (strategy === 'default' ? 1 : 0) // default drops the class token

  const shaped = async (bytes: Uint8Array) => {
    const { pixel_values } = await processor(await decodeImage(RawImage, bytes))
    return { shape: pixel_values.dims as number[], data: pixel_values.data as Float32Array } // (1, C, H, W)
  }
  // The same picture is asked about many times: its pixels are kept for as long as its bytes are.
  const kept = new WeakMap<Uint8Array, ReturnType<typeof shaped>>()
  const pixelsOf = (bytes: Uint8Array) => {
    const made = kept.get(bytes) ?? shaped(bytes)
    kept.set(bytes, made)
    return made
  }

  return async (images: Uint8Array[]): Promise<{ pixels: HostTensor; features: number }> => {
    const each = await Promise.all(images.map(pixelsOf))
    const { shape } = each[0]
    if (shape.length !== 4 || each.some(other => other.shape.join() !== shape.join())) {
      const shapes = [...new Set(each.map(other => `(${other.shape.join(', ')})`))].join(' and ')
      throw new UserError(`${path}: expected its processor to give all pictures one size (1, C, H, W), got ${shapes}`)
    }
    const [height, width] = shape.slice(-2)
    const features = Math.floor(height / patch) * Math.floor(width / patch) + extra
    const size = each[0].data.length
    const data = new Float32Array(images.length * size)
    for (const [i, picture] of each.entries()) data.set(picture.data, i * size)
    return { pixels: { dtype: 'float32', shape: [images.length, ...shape.slice(1)], data }, features }
  }
}

async function decodeImage(RawImage: typeof RawImageType, bytes: Uint8Array): Promise<RawImageType> {
  try {
    return await RawImage.fromBlob(new Blob([bytes as Uint8Array<ArrayBuffer>]))
  } catch (error) {
    throw new UserError(`picture: expected PNG, JPEG, WebP, … : ${(error as Error).message}`)
  }
}
