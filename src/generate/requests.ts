/**
 * Requests to token ids, for any engine. Equal requests of a window (the captions of one picture) are encoded once.
 */

import { createHash } from 'node:crypto'
import { UserError } from '../errors.ts'
import type { Chat, Encoded } from '../models/chat.ts'
import { textConfig } from '../models/config.ts'
import type { ModelFolder } from '../models/folder.ts'
import type { Failure, Request } from './types.ts'

export interface Ready extends Encoded {
  /** Equal for equal prompts. */
  same: string
  /** New tokens at most. */
  budget: number
}

/** Encodes a window's requests. What cannot be encoded, or leaves no room for an answer, is a Failure. */
export async function encodeAll(
  requests: Request[],
  chat: Chat,
  folder: ModelFolder,
  maxTokens: number,
): Promise<(Ready | Failure)[]> {
  const made = new Map<string, Ready | Failure>()
  const room = contextOf(folder)
  const answers: (Ready | Failure)[] = []
  for (const request of requests) {
    const same = identity(request)
    if (!made.has(same)) made.set(same, await encode(request, same, chat, room, maxTokens))
    answers.push(made.get(same)!)
  }
  return answers
}

async function encode({ messages, images }: Request, same: string, chat: Chat, room: number, maxTokens: number) {
  try {
    const encoded = await chat.encode(messages, images, { generation: true })
    const budget = Math.min(maxTokens, room - encoded.ids.length)
    if (budget > 0) return { ...encoded, same, budget }
    return failure('too-long', `expected a prompt of under ${room} tokens, got ${encoded.ids.length}`)
  } catch (error) {
    if (error instanceof UserError) return failure('prompt', error.message)
    throw error
  }
}

const failure = (code: string, message: string): Failure => ({ error: { code, message, retryable: false } })

/** How many tokens the model was made for. */
function contextOf({ config }: ModelFolder): number {
  const length = textConfig(config).max_position_embeddings
  return typeof length === 'number' ? length : Number.POSITIVE_INFINITY
}

function identity({ messages, images }: Request): string {
  const hash = createHash('sha256').update(JSON.stringify(messages))
  for (const image of images) hash.update(`\n${image.length}\n`).update(image)
  return hash.digest('base64')
}
