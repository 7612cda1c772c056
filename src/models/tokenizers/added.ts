/**
 * The added tokens of a checkpoint, which are cut out of a text before anything else is done to it. Newer checkpoints
 * list them whole in tokenizer_config.json (added_tokens_decoder); of older ones they are gathered from added_tokens.json,
 * special_tokens_map.json and the vocabulary, as Hugging Face's from_pretrained does.
 */

/** A token as tokenizer.json has it. */
export interface AddedToken {
  id: number
  content: string
  single_word: boolean
  lstrip: boolean
  rstrip: boolean
  /** Whether it is looked for in the normalized text. */
  normalized: boolean
  special: boolean
}

type Flags = Omit<AddedToken, 'id' | 'content'>
/** A token as the files that come with a checkpoint have it. */
type Token = { content: string } & Partial<Flags>

/** tokenizer_config.json, as far as tokenizers are concerned. */
export interface Settings {
  tokenizer_class?: string
  added_tokens_decoder?: Record<string, Token>
  additional_special_tokens?: (string | Token)[]
  add_bos_token?: boolean
  add_eos_token?: boolean
  add_prefix_space?: boolean | null
  legacy?: boolean | null
  bos_token?: string | Token | null
  eos_token?: string | Token | null
  [other: string]: unknown
}

/** Settings that name a token with a part to play. */
export const NAMED = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token']

/** A token's text. */
export const contentOf = (token: unknown): string | undefined =>
  typeof token === 'string' ? token : (token as { content?: string } | null | undefined)?.content

/** Ids and tokens that files list; `older` is added_tokens.json. */
export function listed({ added_tokens_decoder: newer }: Settings, older: Record<string, number>): [number, Token][] {
  if (!newer) return Object.entries(older).map(([content, id]) => [id, { content }])
  return Object.entries(newer).map(([id, token]) => [Number(id), token])
}

/**
 * All added tokens, by id. A special token that has no id yet gets the next one.
 *
 * @param list what files list
 * @param vocabulary ids of what is not added; a token that is in it as well keeps that id
 * @param own what the vocabulary itself says is added; tokens of such a one are cut out of the text as it is
 */
export function addedTokens(
  settings: Settings,
  list: [number, Token][],
  vocabulary: Map<string, number>,
  own?: Pick<AddedToken, 'id' | 'content' | 'special'>[],
): AddedToken[] {
  const special = new Set([...NAMED.map(name => settings[name]), ...(settings.additional_special_tokens ?? [])].map(contentOf)) // biome-ignore format: one thought
  const tokens = new Map<string, AddedToken>()
  const add = (id: number, { content, ...given }: Token) => {
    if (tokens.has(content)) return
    const isSpecial = given.special || special.has(content)
    tokens.set(content, {
      id: vocabulary.get(content) ?? id,
      content,
      single_word: given.single_word ?? false,
      lstrip: given.lstrip ?? false,
      rstrip: given.rstrip ?? false,
      normalized: !own && (given.normalized ?? !isSpecial),
      special: isSpecial,
    })
  }
  for (const [id, token] of list) add(id, token)
  for (const { id, ...token } of own ?? []) add(id, token)
  const ids = [...vocabulary.values(), ...[...tokens.values()].map(({ id }) => id)]
  let next = ids.reduce((most, id) => Math.max(most, id), -1) + 1
  for (const content of special) {
    if (content === undefined || tokens.has(content)) continue
    add(vocabulary.has(content) ? 0 : next++, { content })
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id)
}
