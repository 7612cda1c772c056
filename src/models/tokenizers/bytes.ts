/**
 * From vocab.json and merges.txt to the parts of a tokenizer.json: Qwen2's byte-level BPE, which Qwen2, Qwen2.5, Qwen3 and
 * InternVL3 have. Left out are the other families with such files (GPT-2, RoBERTa, CLIP, …), who cut words otherwise: none
 * of the architectures that we build comes with them alone.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'
import { readJson } from '../config.ts'
import type { Settings } from './added.ts'
import type { Parts } from './tokenizer.ts'

/** How Qwen2 cuts a text before merging: contractions, words, single digits, runs of signs, line ends, spaces. */
const WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/** @throws UserError where the files are not as expected */
export async function bytesParts(folder: string, { add_prefix_space }: Settings): Promise<Parts> {
  const vocab = (await readJson<Record<string, number>>(folder, 'vocab.json'))!
  const level = { type: 'ByteLevel', add_prefix_space: add_prefix_space ?? false, trim_offsets: true, use_regex: false }
  return {
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false }, level],
    },
    decoder: { ...level, add_prefix_space: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: mergesOf(await readFile(join(folder, 'merges.txt'), 'utf8'), join(folder, 'merges.txt')),
    },
    vocabulary: new Map(Object.entries(vocab)),
    begins: false,
  }
}

function mergesOf(text: string, path: string): string[][] {
  const lines = text.split(/\r?\n/).map((line, i) => ({ line, i }))
  return lines.flatMap(({ line, i }) => {
    if (line === '' || line.startsWith('#version')) return []
    const pair = line.split(' ')
    if (pair.length === 2) return [pair]
    throw new UserError(`${path}:${i + 1}: expected two pieces with a space between them, got ${JSON.stringify(line)}`)
  })
}
