/**
 * Examples as tokens. Token ids of all examples are held in memory, pictures are not: they are read and made ready when
 * a batch needs them, and the last ones are kept.
 */

import { createHash } from 'node:crypto'
import { UserError } from '../errors.ts'
import type { Chat, Message } from '../models/chat.ts'
import type { Vision } from '../models/pictures/pictures.ts'
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
  positions?: number[][]
}

/** Numbers of pictures that are kept. */
const KEPT = 1 << 26

export class Dataset {
  readonly entries: Entry[] = []
  /** Examples left out because they are longer than `maxLength`. */
  tooLong = 0
  private readonly hash = createHash('sha256')
  private readonly seen = new Map<Entry, Vision>()
  private kept = 0

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
    const { ids, learnt, positions } = await this.tokens(messages, pictures, example.id)
    if (ids.length > this.options.maxLength) {
      this.tooLong++
      return
    }
    const targets = learnt.reduce((sum, flag) => sum + flag, 0)
    this.hash.update(Int32Array.from(ids)).update(learnt).update(String(weight))
    this.entries.push({ ids: Int32Array.from(ids), learnt, targets, weight, images, positions })
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
      const vision = entry.images.length > 0 ? await this.visionOf(entry) : undefined
      return { ids: entry.ids, learnt: entry.learnt, positions: entry.positions, weight, vision }
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
      return this.options.chat.encode(part, pictures.slice(0, shown), { generation, blind: true, among: pictures })
    }
    const { ids, positions } = await upTo(messages.length, false)
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
    return {
      ids: ids.slice(0, end),
      learnt: learnt.slice(0, end),
      positions: positions?.map(axis => axis.slice(0, end)),
    }
  }

  private async visionOf(entry: Entry): Promise<Vision> {
    const found = this.seen.get(entry)
    if (found) {
      this.seen.delete(entry) // to the end: the last to be forgotten
      this.seen.set(entry, found)
      return found
    }
    const pictures = await Promise.all(entry.images.map(this.options.load))
    const message: Message = { role: 'user', text: '', images: pictures.length }
    const { vision } = await this.options.chat.encode([message], pictures, { generation: false })
    if (!vision) throw new Error('a model that takes no pictures was given some')
    this.seen.set(entry, vision)
    this.kept += weightOf(vision)
    for (const [old, held] of this.seen) {
      if (this.kept <= KEPT || old === entry) break
      this.seen.delete(old)
      this.kept -= weightOf(held)
    }
    return vision
  }
}

const weightOf = (vision: Vision) => Object.values(vision).reduce((sum, { data }) => sum + data.length, 0)

/** The end (exclusive) of the last of `tokens` at or after `from`; the end of `ids` where there is none. */
function lastOf(ids: number[], tokens: number[], from: number): number {
  const last = ids.findLastIndex((id, t) => t >= from && tokens.includes(id))
  return last < 0 ? ids.length : last + 1
}
