/**
 * check overlap: which training rows hold a question that a benchmark asks, so that a score is not of what was learnt by
 * heart. The benchmarks are read first, into two indexes; training rows stream by.
 */
import { UserError } from '../../errors.ts'
import { type ImageOptions, imageReferences, loadImage } from '../../io/images.ts'
import type { Source } from '../../io/source.ts'
import { errorOf, extend, fail, idOf, questionOf, type Row } from '../rows.ts'
import { tokensOf } from './normalise.ts'
import { type View, viewsOf } from './picture.ts'
import { Pictures } from './pictures.ts'
import { Texts } from './texts.ts'

export type Kind = 'exact' | 'ngram' | 'image'

export interface Hit {
  /** exact: the same words and numbers; ngram: much of the same wording; image: the same picture. */
  kind: Kind
  /** The benchmark's name or file, and the question's id in it. */
  benchmark: string
  id: string
  /** exact: 1; ngram: the share of shingles in common; image: the share of bits in common. */
  score: number
}

/** The strongest hit, and what hit besides. A picture alone is weaker evidence: another question may be asked about it. */
export interface Overlap extends Hit {
  also: Hit[]
}

export interface OverlapOptions {
  by: 'any' | 'text' | 'image'
  /** Write only these rows, and those with an error, about which nothing is known. */
  only?: 'overlapping' | 'clean'
  images: ImageOptions
}

export class Benchmarks {
  private readonly texts = new Texts()
  private readonly pictures = new Pictures()
  private readonly items: { benchmark: string; id: string; pictures: boolean }[] = []

  constructor(private readonly by: OverlapOptions['by']) {}

  /** Reads the questions of a benchmark. @throws UserError where one of its pictures cannot be read */
  async read(benchmark: string, source: Source, allowRemote = false): Promise<void> {
    const seen = new Set<string>()
    const where = { folder: source.folder, allowRemote }
    for await (const rows of source.batches())
      for (const row of rows) {
        const id = idOf(row)
        const text = textOf(row)
        const references = imageReferences(row)
        if (text === '' && references.length === 0) continue
        if (seen.has(`${id}\n${text}`)) continue // a file of responses has its problems many times
        seen.add(`${id}\n${text}`)
        const item = this.texts.add(this.by === 'image' ? [] : tokensOf(text))
        this.items.push({ benchmark, id, pictures: references.length > 0 })
        if (this.by === 'text') continue
        const views = await viewsFor(row, where).catch((error: Error) => {
          if (!(error instanceof UserError)) throw error
          throw new UserError(`${source.name}, id ${id}: ${error.message}. To compare questions only: --by text`)
        })
        for (const each of views) this.pictures.add(each, item)
      }
    this.texts.seal()
  }

  /** What a row with this text and these pictures overlaps with. */
  find(text: string, pictures: View[][]): Overlap | null {
    const seen = new Map<number, number>()
    for (const views of pictures)
      for (const [item, score] of this.pictures.find(views)) seen.set(item, Math.max(seen.get(item) ?? 0, score))
    const read = this.by === 'image' ? undefined : this.wording(tokensOf(text), seen)
    const hits: Hit[] = read ? [this.hit(read.kind, read.item, read.score)] : []
    const [likest] = [...seen].sort(([a, x], [b, y]) => y - x || a - b)
    const shown = read && seen.has(read.item) ? read.item : likest?.[0]
    if (shown !== undefined) hits.push(this.hit('image', shown, seen.get(shown) as number))
    const [first, ...also] = hits
    return first ? { ...first, also } : null
  }

  /** A question of few words, or of a template's, that comes with a picture is the same only if the picture is. */
  private wording(
    tokens: string[],
    seen: Map<number, number>,
  ): { kind: Kind; item: number; score: number } | undefined {
    const same = this.texts.same(tokens)
    const item =
      same.find(each => seen.has(each)) ?? same.find(each => !(this.items[each].pictures && this.texts.vague(each)))
    if (item !== undefined) return { kind: 'exact', item, score: 1 }
    const like = this.texts.like(tokens)
    return like && { kind: 'ngram', ...like }
  }

  private hit(kind: Kind, item: number, score: number): Hit {
    const { benchmark, id } = this.items[item]
    return { kind, benchmark, id, score: Math.round(score * 1e4) / 1e4 }
  }
}

/** Pictures of so many rows are decoded at a time. */
const atOnce = 16

/** Each row with `overlap`, or with an error where a picture cannot be read; `told` hears of every row, written or not. */
export async function* overlap(
  rows: Row[],
  benchmarks: Benchmarks,
  { by, only, images }: OverlapOptions,
  told: (row: Row) => void = () => {},
): AsyncGenerator<Row> {
  const check = async (row: Row): Promise<Row> => {
    if (errorOf(row)) return row
    const text = textOf(row)
    if (text === '' && imageReferences(row).length === 0)
      return fail(row, 'check overlap', 'no-question', 'expected text under question, prompt or messages, or images')
    try {
      return extend(row, 'overlap', benchmarks.find(text, by === 'text' ? [] : await viewsFor(row, images)))
    } catch (error) {
      if (error instanceof UserError) return fail(row, 'check overlap', 'image', error.message)
      throw error
    }
  }
  for (let at = 0; at < rows.length; at += atOnce) {
    for (const row of await Promise.all(rows.slice(at, at + atOnce).map(check))) {
      told(row)
      if (only === undefined || errorOf(row) || (row.overlap !== null) === (only === 'overlapping')) yield row
    }
  }
}

/** The views of each of the row's pictures. */
async function viewsFor(row: Row, where: ImageOptions): Promise<View[][]> {
  const made: View[][] = []
  for (const reference of imageReferences(row)) made.push(await viewsOf(await loadImage(reference, where)))
  return made
}

/** What is asked: the question, or what the user says in `prompt` or `messages`. */
export function textOf(row: Row): string {
  const question = questionOf(row)
  if (question !== '') return question
  if (typeof row.prompt === 'string') return row.prompt
  const turns = [row.messages, row.prompt].find(Array.isArray) ?? []
  return (turns as { role?: unknown; content?: unknown }[])
    .filter(turn => turn?.role === 'user')
    .flatMap(({ content }) => (Array.isArray(content) ? content.map(part => part?.text ?? '') : [content]))
    .filter(part => typeof part === 'string')
    .join('\n')
}

/** Counts rows by what they overlap with, for people. */
export class Tally {
  private readonly counts = { rows: 0, overlapping: 0, exact: 0, ngram: 0, image: 0, unknown: 0 }

  add(row: Row): void {
    this.counts.rows++
    const held = row.overlap as Overlap | null | undefined
    if (errorOf(row)) this.counts.unknown++
    else if (held) {
      this.counts.overlapping++
      this.counts[held.kind]++
    }
  }

  toString(): string {
    const { rows, overlapping, exact, ngram, image, unknown } = this.counts
    const n = (count: number) => count.toLocaleString('en')
    const gap = unknown > 0 ? `; ${n(unknown)} not checked` : ''
    return `${n(overlapping)} of ${n(rows)} rows overlap: ${n(exact)} exact, ${n(ngram)} by n-grams, ${n(image)} by a picture alone${gap}`
  }
}
