/**
 * Between text and pictures and what a model reads: tokenizer and chat template, by transformers.js from the model's
 * own folder, and its processor of pictures (pictures/), which says what stands in the text for each.
 */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { readJson } from './config.ts'
import type { ModelFolder } from './folder.ts'
import { openPictures, type Vision } from './pictures/pictures.ts'
import { hasTokenizer } from './tokenizers/tokenizer.ts'

/** One turn of a chat. `images` counts how many of the request's images stand before the text of this turn. */
export interface Message {
  role: 'system' | 'user' | 'assistant'
  text: string
  images?: number
}

export interface Encoded {
  ids: number[]
  /** What the vision graph takes of the pictures, in their order in the text; absent where there are none. */
  vision?: Vision
  /** Position ids (axes, T) of models that do not count 0, 1, …, T-1. */
  positions?: number[][]
}

export interface EncodeOptions {
  /** Ends with the opening of the assistant's turn. */
  generation: boolean
  /** Leaves `vision` out: only the pictures' sizes are looked at. */
  blind?: boolean
  /** All pictures of the conversation, where the messages are but its beginning. */
  among?: Uint8Array[]
}

export interface Chat {
  /**
   * @param images encoded pictures (PNG, JPEG, …)
   * @throws UserError where pictures and placeholders do not match or a picture cannot be decoded
   */
  encode(messages: Message[], images: Uint8Array[], options: EncodeOptions): Promise<Encoded>
  /** The chat as the template writes it, one placeholder a picture. */
  text(messages: Message[], options: { generation: boolean }): string
  /** Tokens to text; special tokens are left out. */
  decode(ids: number[]): string
}

export async function openChat(folder: ModelFolder): Promise<Chat> {
  const { AutoTokenizer } = await import('@huggingface/transformers')
  const { path, kind } = folder
  const settings = await readJson<{ clean_up_tokenization_spaces?: boolean }>(path, 'tokenizer_config.json')
  if (!settings || !existsSync(join(path, 'tokenizer.json'))) {
    const advice = hasTokenizer(path)
      ? '; sophia convert makes them out of the older files that it has'
      : '. Fetch them too'
    throw new UserError(`${path}: expected tokenizer.json and tokenizer_config.json in the model folder${advice}`)
  }
  const tokenizer = await AutoTokenizer.from_pretrained(path, { local_files_only: true })
  const template = await chatTemplate(path)
  const pictures = kind === 'vlm' ? await openPictures(folder) : undefined

  const text: Chat['text'] = (messages, { generation }) => {
    if (!template && !tokenizer.chat_template) {
      throw new UserError(`${path}: expected a chat_template in tokenizer_config.json, or chat_template.jinja`)
    }
    return tokenizer.apply_chat_template(messages.map(message => turn(message, kind, pictures?.written)) as never, {
      tokenize: false,
      add_generation_prompt: generation,
      ...(template && { chat_template: template }),
    }) as string
  }
  /** Hugging Face's processors begin a text as the tokenizer does, unless its template did; its tokenizers never do. */
  const begins = (written: string) => !!pictures && !(tokenizer.bos_token && written.startsWith(tokenizer.bos_token))

  return {
    text,
    async encode(messages, images, options) {
      const written = text(messages, options)
      const tokens = (whole: string) => tokenizer.encode(whole, { add_special_tokens: begins(whole) })
      if (!pictures) {
        if (images.length === 0) return { ids: tokens(written) }
        throw new UserError(`${path} takes no pictures, and was given ${images.length}`)
      }
      const { placeholder } = pictures
      const [start, ...rest] = written.split(placeholder)
      if (rest.length !== images.length) {
        throw new UserError(
          `the prompt has ${rest.length} image placeholders ${placeholder} for ${images.length} pictures`,
        )
      }
      const sights = await Promise.all(images.map(image => pictures.sight(image, options.among ?? images)))
      const ids = tokens(start + rest.map((piece, i) => sights[i].text + piece).join(''))
      const positions = pictures.positions?.(ids, sights)
      const vision = images.length > 0 && !options.blind ? await pictures.vision(images) : undefined
      return { ids, ...(vision && { vision }), ...(positions && { positions }) }
    },
    decode(ids) {
      if (ids.length === 0) return ''
      const clean = settings.clean_up_tokenization_spaces ?? false
      return tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: clean })
    },
  }
}

/** A message as chat templates know it: of parts where the model can see, else plain text. */
function turn({ role, text, images = 0 }: Message, kind: 'vlm' | 'lm', written?: string) {
  if (kind === 'lm') return { role, content: text }
  if (written !== undefined) return { role, content: written.repeat(images) + text }
  return { role, content: [...Array(images).fill({ type: 'image' }), { type: 'text', text }] }
}

/** Newer checkpoints keep the template in a file of its own, which transformers.js does not look for. */
export async function chatTemplate(path: string): Promise<string | undefined> {
  const file = join(path, 'chat_template.jinja')
  if (existsSync(file)) return readFile(file, 'utf8')
  return (await readJson<{ chat_template?: string }>(path, 'chat_template.json'))?.chat_template
}
