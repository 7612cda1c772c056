/**
 * A tokenizer.json for checkpoints that have none, which is all that transformers.js reads: out of vocab.json and
 * merges.txt (bytes.ts) or a sentencepiece model (pieces.ts), with the added tokens and what stands before a text. The
 * files that it came from stay where they are. Beside it goes a tokenizer_config.json that transformers.js can follow: no
 * class of a repository's own code, and tokens by their text.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'
import { type Config, readJson, textConfig } from '../config.ts'
import { writeFiles } from '../write.ts'
import { type AddedToken, addedTokens, contentOf, listed, NAMED, type Settings } from './added.ts'
import { bytesParts } from './bytes.ts'
import { pieceParts } from './pieces.ts'
import { ADVICE } from './sentencepiece.ts'

/** What a family of tokenizers makes its own way. */
export interface Parts {
  normalizer: object | null
  pre_tokenizer: object | null
  decoder: object
  model: object
  /** Ids of the model's own tokens. */
  vocabulary: Map<string, number>
  /** Those of them that are cut out of a text like added ones. */
  own?: Pick<AddedToken, 'id' | 'content' | 'special'>[]
  /** Settings of the family where there are none. */
  usual?: Settings
  /** Whether the family begins a text with its bos_token where settings do not say. */
  begins: boolean
}

/** Which of the older files a folder has. */
function sourceOf(folder: string): 'bytes' | 'pieces' | undefined {
  const has = (name: string) => existsSync(join(folder, name))
  return has('vocab.json') && has('merges.txt') ? 'bytes' : has('tokenizer.model') ? 'pieces' : undefined
}

/** Whether a tokenizer.json can be made of what the folder has, by the names of its files. */
export const hasTokenizer = (folder: string): boolean => sourceOf(folder) !== undefined

/**
 * Writes tokenizer.json and tokenizer_config.json, where the checkpoint has no tokenizer.json but what one can be made of.
 *
 * @param from the checkpoint
 * @param to the folder that is written
 * @throws UserError where its tokenizer is of a kind that cannot be read
 */
export async function writeTokenizer(from: string, to: string, config: Config): Promise<void> {
  const source = sourceOf(from)
  if (!source || existsSync(join(from, 'tokenizer.json'))) return
  const given = await settingsOf(from)
  const name = given.tokenizer_class?.replace(/Fast$/, '') ?? CLASSES[textConfig(config).model_type as string]
  if (source === 'bytes' && name !== 'Qwen2Tokenizer')
    throw new UserError(`${from}: expected vocab.json and merges.txt of a Qwen2Tokenizer, got a ${name}'s. ${ADVICE}`)
  const list = listed(given, (await readJson<Record<string, number>>(from, 'added_tokens.json')) ?? {})
  const parts = source === 'bytes' ? await bytesParts(from, given) : await pieceParts(from, given, name, list)
  const { vocabulary, own, usual, begins, ...core } = parts
  const settings = { ...usual, ...given }
  const tokens = addedTokens(settings, list, vocabulary, own)
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens,
    ...core,
    post_processor: frame(settings, tokens, begins),
  }
  // A vocabulary is too long for one token a line.
  await writeFiles(to, {
    'tokenizer.json': JSON.stringify(tokenizer),
    'tokenizer_config.json': await told(settings, tokens, name),
  })
}

/** Classes of tokenizers by `model_type`, for checkpoints that do not name theirs. */
const CLASSES: Record<string, string> = { qwen2: 'Qwen2Tokenizer', qwen3: 'Qwen2Tokenizer', llama: 'LlamaTokenizer' }

/** tokenizer_config.json; what it leaves to special_tokens_map.json, as older checkpoints do, comes from there. */
async function settingsOf(folder: string): Promise<Settings> {
  const settings = (await readJson<Settings>(folder, 'tokenizer_config.json')) ?? {}
  if (settings.added_tokens_decoder) return settings
  return { ...settings, ...(await readJson<Settings>(folder, 'special_tokens_map.json')) }
}

/** What stands before and after a text, where special tokens are asked for. */
function frame(
  { bos_token, eos_token, add_bos_token, add_eos_token }: Settings,
  tokens: AddedToken[],
  begins: boolean,
) {
  const bos = (add_bos_token ?? begins) ? contentOf(bos_token) : undefined
  const eos = add_eos_token ? contentOf(eos_token) : undefined
  const piece = (id: string | undefined, type_id: number) =>
    id === undefined ? [] : [{ SpecialToken: { id, type_id } }]
  const around = (id: string, type_id: number) => [
    ...piece(bos, type_id),
    { Sequence: { id, type_id } },
    ...piece(eos, type_id),
  ]
  const used = tokens.filter(({ content }) => content === bos || content === eos)
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(used.map(({ id, content }) => [content, { id: content, ids: [id], tokens: [content] }])), // biome-ignore format: one thought
  }
}

/** The settings as transformers.js can follow them; Python takes them too. */
async function told(
  { auto_map, ...settings }: Settings,
  tokens: AddedToken[],
  name: string | undefined,
): Promise<Settings> {
  const classes = await import('@huggingface/transformers')
  const texts = NAMED.filter(key => contentOf(settings[key])).map(key => [key, contentOf(settings[key])])
  const additional = settings.additional_special_tokens?.map(contentOf) as string[] | undefined
  return {
    ...settings,
    ...Object.fromEntries(texts),
    added_tokens_decoder: Object.fromEntries(tokens.map(({ id, ...token }) => [id, token])),
    ...(additional && { additional_special_tokens: additional }),
    tokenizer_class: name && name in classes ? (settings.tokenizer_class ?? name) : 'PreTrainedTokenizerFast',
  }
}
