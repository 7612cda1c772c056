/**
 * Rows from lines. Comes in chunks and goes out in batches (the rows of one chunk), so that a million small rows do
 * not cost a million awaits. Knows nothing of files; gzip is undone in source.ts.
 */
import { UserError } from '../errors.ts'
import { type Row, remember } from './row.ts'

/** Batches of rows. Errors name `name`:line. Empty lines are passed over; a byte order mark is dropped. */
export async function* readJsonl(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Row[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 0
  let pieces: string[] = [] // of a line that is longer than a chunk
  for await (const chunk of chunks) {
    const text = decode(decoder, chunk, `${name}:${line + 1}`)
    const rows: Row[] = []
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      pieces.push(text.slice(start, end))
      start = end + 1
      const record = pieces.length === 1 ? pieces[0] : pieces.join('')
      pieces = []
      const row = parse(record, `${name}:${++line}`)
      if (row) rows.push(row)
    }
    if (start < text.length) pieces.push(text.slice(start))
    if (rows.length > 0) yield rows
  }
  pieces.push(decode(decoder, undefined, `${name}:${line + 1}`))
  const row = parse(pieces.join(''), `${name}:${line + 1}`, true)
  if (row) yield [row]
}

/** The row that `record` is, or undefined if it is empty. `torn`: no newline came after it. */
export function parse(record: string, where: string, torn = false): Row | undefined {
  const text = record.trim()
  if (text === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (torn)
      throw new UserError(
        `${where}: the last line is torn: the input ends in the middle of a row (${shorten(text.slice(-40))}). ` +
          'If a stage was cut off while writing it, run that stage again with --resume; else remove the line',
      )
    throw new UserError(`${where}: expected one JSON object, got ${shorten(text)} (${(error as Error).message})`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UserError(`${where}: expected one JSON object a line, got ${shorten(text)}`)
  return remember(value as Row, text)
}

function decode(decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array | undefined, where: string): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode()
  } catch {
    throw new UserError(`${where} or soon after: expected UTF-8, got other bytes. Is it gzip (--from jsonl.gz)?`)
  }
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
