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

type Token = string | ({ content: string } & Partial<AddedToken>)

/** tokenizer_config.json, as far as tokenizers are concerned. */
export interface Settings {
  tokenizer_class?: string
  added_tokens_decoder?: Record<string, { content: string } & Partial<AddedToken>>
  additional_special_tokens?: Token[]
  add_bos_token?: boolean
  add_eos_token?: boolean
  add_prefix_space?: boolean | null
  legacy?: boolean | null
  bos_token?: Token | null
  eos_token?: Token | null
  [other: string]: unknown
}

/** Settings that name a token with a part to play. */
export const NAMED = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token']

/** A token's text. */
export const contentOf = (token: unknown): string | undefined =>
  typeof token === 'string' ? token : (token as { content?: string } | null | undefined)?.content

/**
 * All added tokens, by id. A special token that has no id yet gets the next one.
 *
 * @param held ids by added_tokens.json
 * @param vocabulary ids of what is not added; a token that is in it as well keeps that id
 * @param own what the vocabulary itself says is added
 */
export function addedTokens(
  settings: Settings,
  held: Record<string, number>,
  vocabulary: Map<string, number>,
  own: Pick<AddedToken, 'id' | 'content' | 'special'>[] = [],
): AddedToken[] {
  const named = [...NAMED.map(name => settings[name]), ...(settings.additional_special_tokens ?? [])] as Token[]
  const special = new Set(named.map(contentOf))
  const tokens = new Map<string, AddedToken>()
  const add = (id: number, content: string, flags: Partial<AddedToken>) => {
    if (tokens.has(content)) return
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false }
    const given = Object.fromEntries(Object.keys(plain).flatMap(key => (key in flags ? [[key, flags[key as 'lstrip']]] : []))) // biome-ignore format: one thought
    tokens.set(content, { id: vocabulary.get(content) ?? id, content, ...plain, ...given })
  }
  const isSpecial = (content: string) => ({ special: special.has(content), normalized: !special.has(content) })
  if (settings.added_tokens_decoder) {
    for (const [id, token] of Object.entries(settings.added_tokens_decoder)) add(Number(id), token.content, token)
  } else {
    for (const [content, id] of Object.entries(held)) add(id, content, isSpecial(content))
  }
  for (const token of own) add(token.id, token.content, { special: token.special })
  const ids = [...vocabulary.values(), ...[...tokens.values()].map(({ id }) => id)]
  let next = ids.reduce((most, id) => Math.max(most, id), -1) + 1
  for (const content of special) {
    if (content === undefined || tokens.has(content)) continue
    add(vocabulary.has(content) ? 0 : next++, content, { special: true })
  }
  for (const token of tokens.values()) token.special ||= special.has(token.content)
  return [...tokens.values()].sort((a, b) => a.id - b.id)
}
