/**
 * eval's rows to a page that shows them: texts and pictures go into the file as their rows come, so memory holds what
 * the list of items needs and no more; the plots count every row, also those that are not embedded.
 */
import { basename } from 'node:path'
import { UserError } from '../../errors.ts'
import { standard } from '../../io/formats.ts'
import { startProgress } from '../../io/progress.ts'
import type { Source } from '../../io/source.ts'
import { idOf, type Row } from '../rows.ts'
import { type Result, Score } from '../score.ts'
import { complaintOf, facetsOf, type Item, judgedOf, type Lengths, partsOf, shownOf } from './data.ts'
import { PageFile } from './file.ts'
import { block, closing, opening } from './page.ts'
import { Pictures } from './pictures.ts'

/** Bytes of a page that a browser takes some seconds to open. */
const LARGE = 200e6

export interface ReportOptions {
  /** The folder that pictures' paths start from. */
  folder: string
  allowRemote?: boolean
  /** Problems to embed at most. */
  limit?: number
  /** Embeds only responses that are right, or wrong. */
  only?: 'right' | 'wrong'
  /** Told each row. */
  seen?: (row: Row) => void
}

/** What came of it, to tell people. */
export interface Reported {
  result: Result
  problems: number
  responses: number
  pictures: number
  /** Why pictures are missing, one entry a picture. */
  missing: string[]
}

/** Makes the page about `source` at `output` and tells on standard error what came of it. */
export async function report(
  source: Source,
  output: string,
  options: ReportOptions & { quiet?: boolean },
): Promise<Reported> {
  const { quiet = false } = options
  const page = await PageFile.open(output)
  const progress = startProgress('eval report', source, quiet)
  try {
    const seen = (row: Row) => progress.row(row)
    const reported = await writeReport(source, page, { ...options, seen })
    await page.finish()
    progress.stop()
    if (!quiet) process.stderr.write(told(output, page.bytes, reported))
    return reported
  } catch (error) {
    await page.drop()
    throw error
  } finally {
    progress.stop()
  }
}

function told(output: string, bytes: number, { problems, responses, pictures, missing }: Reported): string {
  const count = (n: number, word: string) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`
  const embedded = [count(problems, 'problem'), count(responses, 'response'), count(pictures, 'picture')]
  const size = `${(bytes / 1e6).toFixed(1)} MB${bytes > LARGE ? ': slow to open; --only and --limit make it smaller' : ''}`
  const gap = missing.length > 0 ? `${count(missing.length, 'picture')} could not be embedded: ${missing[0]}\n` : ''
  return `${gap}${output === standard ? 'report' : output}: ${embedded.join(', ')} · ${size}\n`
}

/** Writes the page about all rows of `source` to `page`. @throws UserError where no row has a judged response */
export async function writeReport(source: Source, page: PageFile, options: ReportOptions): Promise<Reported> {
  const { limit = Number.POSITIVE_INFINITY, only } = options
  const score = new Score()
  const items = new Map<string, Item>()
  const embedded: Item[] = []
  const pictures = new Pictures(options, (number, uri) => page.write(block(`picture-${number}`, uri)))
  const lengths = { tokens: new Measure(), characters: new Measure() }
  const models = new Set<string>()
  let rows = 0
  let responses = 0

  /** The row's item; its problem goes into the page when the first of its rows is to be shown. */
  const itemOf = async (row: Row, shown: boolean): Promise<Item> => {
    const id = idOf(row)
    let item = items.get(id)
    if (!item) {
      item = { id, line: '', block: -1, right: 0, samples: 0, responses: [], errors: [], facets: {} }
      items.set(id, item)
    }
    if (shown && item.block < 0 && embedded.length < limit) {
      item.block = embedded.length
      item.facets = facetsOf(row)
      embedded.push(item)
      const problem = shownOf(row, await pictures.of(row))
      item.line = problem.question
        .replace(/<image[ _]?\d*>/gi, ' ')
        .trim()
        .slice(0, 160)
        .replace(/\s+/g, ' ')
      await page.write(block(`problem-${item.block}`, problem))
    }
    return item
  }

  const name = source.name === 'stdin' ? 'Responses' : basename(source.name)
  await page.write(opening(name))
  for await (const batch of source.batches()) {
    for (const row of batch) {
      rows++
      options.seen?.(row)
      const response = judgedOf(row)
      score.add(response ? row : { ...row, response: null })
      if (!response) {
        const item = await itemOf(row, only === undefined)
        if (item.block >= 0) item.errors.push(complaintOf(row))
        continue
      }
      const { text, verdict, ...rest } = response
      const { reward } = verdict
      const item = await itemOf(row, only === undefined || (only === 'right') === (reward === 1))
      item.samples++
      item.right += reward
      models.add(response.model)
      lengths.tokens.add(response.tokens, reward)
      lengths.characters.add(text.length, reward)
      if (item.block < 0 || (only && (only === 'right') !== (reward === 1))) continue
      item.responses.push({ ...rest, ...verdict, block: responses })
      await page.write(block(`response-${responses++}`, partsOf(text)))
    }
  }
  const result = score.result()
  if (result.responses === 0) throw new UserError(nothing(source.name, rows))
  const unit = result.tokens.max > 0 ? 'tokens' : 'characters'
  const { right, wrong } = lengths[unit]
  const known = [...models].filter(model => model !== '')
  const figures = { models: known, result, lengths: { unit, right, wrong } as Lengths }
  await page.write(closing({ name, ...figures, items: embedded, problems: items.size }))
  return { result, problems: embedded.length, responses, pictures: pictures.count, missing: pictures.missing }
}

class Measure {
  readonly right: number[] = []
  readonly wrong: number[] = []

  add(length: number, reward: 0 | 1): void {
    this[reward === 1 ? 'right' : 'wrong'].push(length)
  }
}

function nothing(name: string, rows: number): string {
  const came = rows === 0 ? 'no rows' : `${rows} rows without one`
  return (
    `${name}: expected rows of eval, with response {text, verdict}, got ${came}. ` +
    'Make them with sophia eval; answers that were not judged yet, with sophia eval --responses FILE'
  )
}
