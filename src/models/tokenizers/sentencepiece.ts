/** A sentencepiece model (tokenizer.model, by sentencepiece_model.proto) as far as encoding needs it. */

import { readFile } from 'node:fs/promises'
import { UserError } from '../../errors.ts'
import { message, messageType } from '../../graph/schema.ts'

const ModelProto = messageType(
  {
    Model: message(['pieces', 1, 'Piece', 'repeated'], ['trainer', 2, 'Trainer'], ['normalizer', 3, 'Normalizer']),
    Piece: message(['piece', 1, 'string'], ['score', 2, 'float'], ['type', 3, 'int32']),
    Trainer: message(
      ['modelType', 3, 'int32'],
      ['treatWhitespaceAsSuffix', 24, 'bool'],
      ['byteFallback', 35, 'bool'],
      ['unkPiece', 45, 'string'],
    ),
    Normalizer: message(
      ['name', 1, 'string'],
      ['precompiledCharsmap', 2, 'bytes'],
      ['addDummyPrefix', 3, 'bool'],
      ['removeExtraWhitespaces', 4, 'bool'],
      ['escapeWhitespaces', 5, 'bool'],
    ),
  },
  'Model',
  'proto2',
)

/** What a piece is, by its number in the schema. */
const TYPES = ['', 'normal', 'unknown', 'control', 'user-defined', 'unused', 'byte'] as const
const KINDS = ['', 'unigram', 'BPE', 'word', 'character']

export interface Piece {
  piece: string
  /** Of two merges the one with the higher score comes first. */
  score: number
  type: (typeof TYPES)[number]
}

export interface SentencePiece {
  /** By id. */
  pieces: Piece[]
  unknown: string
  byteFallback: boolean
  /** Puts a space before a text. */
  dummyPrefix: boolean
  /** Takes away spaces before and after a text, and all but one of a run. */
  squeezes: boolean
}

interface Message {
  pieces?: { piece?: string; score?: number; type?: number }[]
  trainer?: { modelType?: number; treatWhitespaceAsSuffix?: boolean; byteFallback?: boolean; unkPiece?: string }
  normalizer?: {
    name?: string
    precompiledCharsmap?: Uint8Array
    addDummyPrefix?: boolean
    removeExtraWhitespaces?: boolean
    escapeWhitespaces?: boolean
  }
}

/** @throws UserError where it is no sentencepiece model, or one of a kind that cannot be read */
export async function readSentencePiece(path: string): Promise<SentencePiece> {
  const { pieces = [], trainer = {}, normalizer = {} } = decoded(await readFile(path))
  if (pieces.length === 0) throw new UserError(`${path}: expected a sentencepiece model. ${ADVICE}`)
  const refused = (what: string) =>
    new UserError(`${path}: expected BPE over the text as it is, got a sentencepiece model ${what}. ${ADVICE}`)
  const kind = trainer.modelType ?? 1
  if (kind !== 2) throw refused(`of kind ${KINDS[kind] ?? kind}`)
  if (normalizer.precompiledCharsmap?.length) throw refused(`that normalizes texts (${normalizer.name})`)
  if (trainer.treatWhitespaceAsSuffix || normalizer.escapeWhitespaces === false)
    throw refused('that does not write a space as ▁ before its word')
  return {
    pieces: pieces.map(({ piece = '', score = 0, type = 1 }) => ({ piece, score, type: TYPES[type] ?? 'unused' })),
    unknown: trainer.unkPiece ?? '<unk>',
    byteFallback: trainer.byteFallback ?? false,
    dummyPrefix: normalizer.addDummyPrefix ?? true,
    squeezes: normalizer.removeExtraWhitespaces ?? true,
  }
}

/** What to do where we cannot. */
export const ADVICE =
  'Have Python write tokenizer.json: AutoTokenizer.from_pretrained(CHECKPOINT).save_pretrained(CHECKPOINT)'

function decoded(bytes: Uint8Array): Message {
  try {
    return ModelProto.toObject(ModelProto.decode(bytes)) as Message
  } catch {
    return {} // bytes of another format: there are no pieces in them
  }
}
