/** What `config.json` and `generation_config.json` say that more than one part of the house asks for. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { headDim, type TextConfig } from './builders/decoder.ts'

/** `config.json` as it is. */
export type Config = { model_type: string } & Record<string, unknown>

export interface Decoder {
  layers: number
  kvHeads: number
  headDim: number
  hidden: number
  vocab: number
}

/** A JSON file of a model folder; undefined where it is absent. Throws a UserError where it is not JSON. */
export async function readJson<T = Record<string, unknown>>(folder: string, name: string): Promise<T | undefined> {
  const path = join(folder, name)
  if (!existsSync(path)) return undefined
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text) as T
  } catch (error) {
    throw new UserError(`${path}: expected JSON: ${(error as Error).message}`)
  }
}

/** The language model's own config: all of it, or the part of a vision-language model that is one. */
export function textConfig(config: Config): TextConfig & Record<string, unknown> {
  const text = { ...((config.text_config ?? config.llm_config ?? config) as Record<string, unknown>) }
  for (const [name, older] of Object.entries(OLDER)) text[name] ??= text[older]
  return text as unknown as TextConfig & Record<string, unknown>
}

/** What GPT-2 and its kin call these. */
const OLDER = { num_hidden_layers: 'n_layer', num_attention_heads: 'n_head', hidden_size: 'n_embd' }

/** What onnxruntime-genai's config says, under the names of a `config.json`; undefined where there is none. */
export async function genaiConfig(folder: string): Promise<Config | undefined> {
  type Genai = { model?: { type?: string; decoder?: Record<string, unknown> } & Record<string, unknown> }
  const model = (await readJson<Genai>(folder, 'genai_config.json'))?.model
  if (!model?.type) return undefined
  const { decoder = {} } = model
  return {
    model_type: model.type,
    hidden_size: decoder.hidden_size,
    num_hidden_layers: decoder.num_hidden_layers,
    num_attention_heads: decoder.num_attention_heads,
    num_key_value_heads: decoder.num_key_value_heads,
    head_dim: decoder.head_size,
    vocab_size: model.vocab_size,
    max_position_embeddings: model.context_length,
    eos_token_id: model.eos_token_id,
  }
}

/** The sizes of a decoder. Throws a UserError that names the field which is missing. */
export function decoderOf(config: Config, path: string): Decoder {
  const text = textConfig(config)
  const need = (field: string): number => {
    if (typeof text[field] === 'number') return text[field]
    const place = config.text_config ? 'text_config.' : config.llm_config ? 'llm_config.' : ''
    throw new UserError(`${join(path, 'config.json')}: expected a number at ${place}${field}, got ${text[field]}`)
  }
  need('num_attention_heads')
  return {
    layers: need('num_hidden_layers'),
    hidden: need('hidden_size'),
    vocab: need('vocab_size'),
    kvHeads: (text.num_key_value_heads as number | undefined) ?? need('num_attention_heads'),
    headDim: headDim(text),
  }
}

/** The tokens that end a response, from the first file that names any. */
export async function eosOf(path: string, config: Config, generation: Record<string, unknown>): Promise<number[]> {
  for (const held of [generation.eos_token_id, config.eos_token_id, textConfig(config).eos_token_id]) {
    if (typeof held === 'number') return [held]
    if (Array.isArray(held) && held.length > 0) return held as number[]
  }
  const settings = await readJson(path, 'tokenizer_config.json')
  const token = settings?.eos_token as string | { content: string } | undefined
  const content = typeof token === 'object' ? token?.content : token
  return (await addedTokens(path)).filter(added => added.content === content).map(added => added.id)
}

/** The token that stands for one feature of a picture. The authors' InternVL names it in the tokenizer alone. */
export async function imageTokenOf(path: string, config: Config): Promise<number | undefined> {
  const named = (config.image_token_index ?? config.image_token_id) as number | undefined
  return named ?? (await addedTokens(path)).find(({ content }) => content === '<IMG_CONTEXT>')?.id
}

/** The added tokens of a folder that has a tokenizer.json. */
export async function addedTokens(path: string): Promise<{ id: number; content: string }[]> {
  type Tokenizer = { added_tokens?: { id: number; content: string }[] }
  return (await readJson<Tokenizer>(path, 'tokenizer.json'))?.added_tokens ?? []
}
