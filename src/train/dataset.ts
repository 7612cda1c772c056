/**
 * Examples as tokens. Token ids of all examples are held in memory, pictures are not: they are read and made ready when
 * a batch needs them, and the last ones are kept.
 */

import { createHash } from 'node:crypto'
import { UserError } from '../errors.ts'
import type { Chat, Message } from '../models/chat.ts'
import type { Sequence } from './micro.ts'
import type { Example } from './rows.ts'

export interface DatasetOptions {
  chat: Pick<Chat, 'encode'>
  /** End-of-turn tokens. */
  eos: number[]
  /** The bytes of a picture, in an array of their own. */
  load: (reference: unknown) => Promise<Uint8Array>
  /** Longer examples are left out and counted. */
  maxLength: number
}

interface Entry {
  ids: Int32Array
  learnt: Uint8Array
  /** Learnt tokens. */
  targets: number
  weight: number
  images: unknown[]
}

/** Floats of pictures that are kept. */
const KEPT = 1 << 26

export class Dataset {
  readonly entries: Entry[] = []
  /** Examples left out because they are longer than `maxLength`. */
  tooLong = 0
  private readonly hash = createHash('sha256')
  private readonly pixels = new Map<unknown, Float32Array[]>()
  private kept = 0
  private standIn?: Uint8Array

  constructor(private readonly options: DatasetOptions) {}

  get lengths(): Int32Array {
    return Int32Array.from(this.entries, ({ ids }) => ids.length)
  }

  get images(): Int32Array {
    return Int32Array.from(this.entries, ({ images }) => images.length)
  }

  /** Names the data: a hash of tokens, weights and what is learnt. */
  fingerprint(): string {
    return this.hash.copy().digest('hex').slice(0, 16)
  }

  /** Adds an example. @throws UserError where it cannot be encoded */
  async add(example: Example): Promise<void> {
    const { messages, weight, images } = example
    const pictures = await Promise.all(images.map(this.options.load))
    // A picture becomes as many tokens as any other, so the first one stands in for all until pixels are needed.
    this.standIn ??= pictures[0]
    const { ids, learnt } = await this.tokens(messages, images.map(() => this.standIn!), example.id) // biome-ignore format: one thought
    if (ids.length > this.options.maxLength) {
      this.tooLong++
      return
    }
    const targets = learnt.reduce((sum, flag) => sum + flag, 0)
    this.hash.update(Int32Array.from(ids)).update(learnt).update(String(weight))
    this.entries.push({ ids: Int32Array.from(ids), learnt, targets, weight, images })
  }

  /**
   * Micro-batches of indices as sequences with their pictures.
   *
   * @param weights what each token of a sequence weighs, in the order of `micro.flat()`
   */
  async batch(micro: number[][], weights: number[]): Promise<Sequence[][]> {
    let next = 0
    const sequence = async (index: number, weight: number): Promise<Sequence> => {
      const entry = this.entries[index]
      const pixels = entry.images.length > 0 ? await this.pixelsOf(entry) : []
      return { ids: entry.ids, learnt: entry.learnt, weight, pixels }
    }
    return Promise.all(
      micro.map(indices => Promise.all(indices.map(index => sequence(index, weights[next++])))), // all are decoded at once
    )
  }

  /** Tokens of the conversation, and which of them the assistant said, the end of its turn included. */
  private async tokens(messages: Message[], pictures: Uint8Array[], id: string) {
    const upTo = (count: number, generation: boolean) => {
      const part = messages.slice(0, count)
      const shown = part.reduce((sum, { images = 0 }) => sum + images, 0)
      return this.options.chat.encode(part, pictures.slice(0, shown), { generation })
    }
    const { ids } = await upTo(messages.length, false)
    const learnt = new Uint8Array(ids.length)
    let end = 0
    for (const [turn, { role }] of messages.entries()) {
      if (role !== 'assistant') continue
      const asked = (await upTo(turn, true)).ids
      const said = turn === messages.length - 1 ? ids : (await upTo(turn + 1, false)).ids
      const differs = asked.findIndex((token, t) => token !== ids[t])
      if (differs >= 0 || said.length > ids.length)
        throw new UserError(
          `${id}: the chat template writes earlier turns in another way once later ones follow (token ${differs}), ` +
            'so what the assistant said cannot be found in it. Give one turn a row',
        )
      end = lastOf(said, this.options.eos, asked.length)
      learnt.fill(1, asked.length, end)
    }
    return { ids: ids.slice(0, end), learnt: learnt.slice(0, end) }
  }

  private async pixelsOf(entry: Entry): Promise<Float32Array[]> {
    const found = this.pixels.get(entry)
    if (found) {
      this.pixels.delete(entry) // to the end: the last to be forgotten
      this.pixels.set(entry, found)
      return found
    }
    const pictures = await Promise.all(entry.images.map(this.options.load))
    const message: Message = { role: 'user', text: '', images: pictures.length }
    const { pixels } = await this.options.chat.encode([message], pictures, { generation: false })
    if (!pixels) throw new Error('a model that takes no pictures was given some')
    const [count, ...shape] = pixels.shape
    const size = shape.reduce((a, b) => a * b, 1)
    const data = pixels.data as Float32Array
    const each = Array.from({ length: count }, (_, i) => data.slice(i * size, (i + 1) * size))
    this.pixels.set(entry, each)
    this.kept += data.length
    for (const [old, held] of this.pixels) {
      if (this.kept <= KEPT) break
      this.pixels.delete(old)
      this.kept -= held.length * size
    }
    return each
  }
}

/** The end (exclusive) of the last of `tokens` at or after `from`; the end of `ids` where there is none. */
function lastOf(ids: number[], tokens: number[], from: number): number {
  const last = ids.findLastIndex((id, t) => t >= from && tokens.includes(id))
  return last < 0 ? ids.length : last + 1
}
