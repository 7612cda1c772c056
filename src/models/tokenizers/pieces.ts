/**
 * From a sentencepiece model to the parts of a tokenizer.json. sentencepiece merges whatever two neighbours make a piece,
 * the piece with the highest score first; BPE wants the pairs listed, so every piece is listed with all its cuts in two.
 *
 * Two ways of writing spaces: Llama's class puts a ▁ before a text that does not begin with one, as Hugging Face has it
 * today; otherwise sentencepiece itself is the measure, which is given each stretch between added tokens apart (the slow
 * tokenizers of a repository's own code, InternLM2's among them).
 *
 * Left out, for tokenizer.json cannot express them: pieces of characters that are no pieces themselves, which a trained
 * model has not; which of two equal pieces comes first where they overlap; pieces marked as unused, which nothing is merged
 * into; and that sentencepiece puts no second dummy prefix after a user-defined piece.
 */

import { join } from 'node:path'
import type { Settings } from './added.ts'
import { type Piece, readSentencePiece, type SentencePiece } from './sentencepiece.ts'
import type { Parts } from './tokenizer.ts'

const SPACE = '▁'

/** What Llama's class and its kin take where settings do not say. */
const USUAL = [
  ['unk_token', '<unk>'],
  ['bos_token', '<s>'],
  ['eos_token', '</s>'],
]

/**
 * @param name of the tokenizer's class
 * @param list the added tokens by id
 * @throws UserError where the model is of a kind that cannot be read
 */
export async function pieceParts(
  folder: string,
  settings: Settings,
  name: string | undefined,
  list: [number, { content: string }][],
): Promise<Parts> {
  const model = await readSentencePiece(join(folder, 'tokenizer.model'))
  const pieces = model.pieces.map(piece => ({ ...piece }))
  // Spare pieces that were given a meaning later: they go by the new name.
  for (const [id, { content }] of list) {
    const spare = pieces[id]
    if (spare && spare.piece !== content) Object.assign(spare, { piece: content, type: 'control' })
  }
  const vocabulary = new Map(pieces.map(({ piece }, id) => [piece, id]))
  const own = pieces.flatMap(({ piece: content, type }, id) =>
    type === 'control' || type === 'user-defined' ? [{ id, content, special: type === 'control' }] : [],
  )
  return {
    ...(name === 'LlamaTokenizer' ? likeLlama(settings) : likeSentencePiece(model)),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: model.unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: model.byteFallback,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary),
      merges: mergesOf(pieces),
    },
    vocabulary,
    own,
    usual: Object.fromEntries(USUAL.filter(([, token]) => vocabulary.has(token))),
    begins: true,
  }
}

type Spaces = Pick<Parts, 'normalizer' | 'pre_tokenizer' | 'decoder'>

function likeLlama({ legacy, add_prefix_space }: Settings): Spaces {
  const prefix = add_prefix_space ?? true
  const prepend_scheme = prefix ? (legacy ? 'always' : 'first') : 'never'
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: SPACE, prepend_scheme, split: false },
    decoder: decoderOf(prefix),
  }
}

function likeSentencePiece({ dummyPrefix, squeezes }: SentencePiece): Spaces {
  const replace = (pattern: object, content: string) => ({ type: 'Replace', pattern, content })
  const normalizers = [
    ...(dummyPrefix ? [{ type: 'Prepend', prepend: ' ' }] : []),
    ...(squeezes ? [replace({ Regex: ' {2,}' }, ' ')] : []),
    ...(squeezes && !dummyPrefix ? [replace({ Regex: '\\A ' }, '')] : []),
    replace({ String: ' ' }, SPACE),
    ...(squeezes ? [replace({ Regex: `${SPACE}+\\z` }, '')] : []),
  ]
  return {
    normalizer: { type: 'Sequence', normalizers },
    pre_tokenizer: null,
    decoder: decoderOf(dummyPrefix, squeezes ? [replace({ Regex: '\\A +' }, '')] : []),
  }
}

/** @param strips whether the first of spaces at the beginning is not the text's own */
function decoderOf(strips: boolean, last: object[] = []) {
  const decoders = [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(strips ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
    ...last,
  ]
  return { type: 'Sequence', decoders }
}

/** All pairs of pieces that make a piece: by its score, then by its id; of one piece's own the shorter beginning first. */
function mergesOf(pieces: Piece[]): [string, string][] {
  const normal = pieces.filter(({ type }) => type === 'normal')
  const known = new Set(normal.map(({ piece }) => piece))
  const merges: [string, string][] = []
  for (const { piece } of normal.sort((a, b) => b.score - a.score)) {
    let cut = 0
    for (const letter of piece) {
      cut += letter.length
      const [left, right] = [piece.slice(0, cut), piece.slice(cut)]
      if (known.has(left) && known.has(right)) merges.push([left, right])
    }
  }
  return merges
}
