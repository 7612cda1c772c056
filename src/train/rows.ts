/**
 * Rows to examples: conversations in which the assistant's turns are learnt. Knows the field's forms, `prompt` with
 * `completion` and `messages` (Hugging Face's names), with `images` and `reward` or `weight`; SOPHIA's own form comes
 * in from above as a function.
 */

import { UserError } from '../errors.ts'
import { IMAGE_MARK, imageReferences } from '../io/images.ts'
import { errorOf, idOf, type Row } from '../io/row.ts'
import type { Message } from '../models/chat.ts'

export interface Example {
  /** For messages about it. */
  id: string
  /** The assistant's turns are learnt. */
  messages: Message[]
  /** References to pictures, in the order in which the messages use them. */
  images: unknown[]
  /** R: what its tokens weigh; 0 teaches nothing. */
  weight: number
}

/** Reads rows of another form; undefined where a row is not of it. */
export type Form = (row: Row) => Example | undefined

/** What became of the rows that are not learnt. */
export interface Skipped {
  /** Carried `error`. */
  failed: number
  /** Weight 0. */
  unrewarded: number
}

/** The example in a row, or undefined (and counted) where there is nothing to learn. @throws UserError where it is of no known form. */
export function exampleOf(row: Row, where: string, skipped: Skipped, own?: Form): Example | undefined {
  if (errorOf(row)) {
    skipped.failed++
    return undefined
  }
  const example = own?.(row) ?? common(row, where)
  if (!Number.isFinite(example.weight) || example.weight < 0)
    throw new UserError(`${where}: expected a reward or weight of 0 or more, got ${example.weight || 'no number'}`)
  if (example.weight === 0) {
    skipped.unrewarded++
    return undefined
  }
  return example
}

function common(row: Row, where: string): Example {
  const images = imageReferences(row)
  const messages = conversation(row, where)
  if (messages.at(-1)?.role !== 'assistant')
    throw new UserError(`${where}: expected the last message to be the assistant's, which is what is learnt`)
  const seen = messages.reduce((sum, { images = 0 }) => sum + images, 0)
  if (seen === 0 && images.length > 0) {
    const first = messages.find(({ role }) => role === 'user') ?? messages[0]
    first.images = images.length
  } else if (seen !== images.length) {
    throw new UserError(`${where}: the messages show ${seen} pictures, and images holds ${images.length}`)
  }
  return { id: idOf(row), messages, images, weight: Number(row.reward ?? row.weight ?? 1) }
}

function conversation(row: Row, where: string): Message[] {
  if (Array.isArray(row.messages)) return row.messages.map(turn => message(turn, where))
  const { prompt, completion } = row
  if (prompt !== undefined && completion !== undefined)
    return [...turns(prompt, 'user', where), ...turns(completion, 'assistant', where)]
  const keys = Object.keys(row).join(', ')
  throw new UserError(
    `${where}: expected question and trajectory, prompt and completion, or messages; got the keys ${keys}. ` +
      'Rows that reason has not seen yet have nothing to learn from',
  )
}

const turns = (value: unknown, role: 'user' | 'assistant', where: string): Message[] =>
  Array.isArray(value) ? value.map(turn => message(turn, where)) : [message({ role, content: value }, where)]

/** A turn as Hugging Face writes it: text, or parts of type text and image. LLaVA's `<image>` marks count as pictures. */
function message(turn: unknown, where: string): Message {
  const { role, content } = (turn ?? {}) as { role?: unknown; content?: unknown }
  if (role !== 'system' && role !== 'user' && role !== 'assistant')
    throw new UserError(`${where}: expected a role of system, user or assistant, got ${JSON.stringify(role)}`)
  if (typeof content === 'string') {
    const marks = content.match(IMAGE_MARK)?.length ?? 0
    return { role, text: marks ? content.replaceAll(IMAGE_MARK, '') : content, ...(marks && { images: marks }) }
  }
  if (!Array.isArray(content))
    throw new UserError(`${where}: expected content to be text or a list of parts, got ${JSON.stringify(content)}`)
  const parts = content as { type?: string; text?: string | null }[]
  const images = parts.filter(({ type }) => type === 'image' || type === 'image_url').length
  const text = parts.map(part => part.text ?? '').join('')
  return { role, text, ...(images && { images }) }
}
