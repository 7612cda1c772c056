/**
 * A row is one JSON object. A stage adds one key and leaves every other as it found it, down to the digits of a
 * number: so a row read from text remembers its text, and a key is added to the text. Rows are never changed in
 * place; `extend` and `without` make new ones. What the stages' keys hold is told in `sophia/rows.ts`.
 */
import { createHash } from 'node:crypto'

export type Row = Record<string, unknown>

/** Why a stage could not do its work on a row. Later stages pass such a row through. */
export interface RowError {
  stage: string
  code: string
  message: string
  retryable: boolean
}

/** The JSON text that a row was read from. A copy made by spreading has none, and is written by JSON.stringify. */
const texts = new WeakMap<Row, string>()

/** A row that is known to be `text`, without surrounding space. */
export function remember(row: Row, text: string): Row {
  texts.set(row, text)
  return row
}

/** `row` with `value` under `key`, in place of what was there. The other values are shared, not copied. */
export function extend(row: Row, key: string, value: unknown): Row {
  const made = { ...row, [key]: value }
  const text = texts.get(row)
  if (text !== undefined && !(key in row)) {
    const comma = Object.keys(row).length === 0 ? '' : ','
    texts.set(made, `${text.slice(0, -1)}${comma}${JSON.stringify(key)}:${stringify(value)}}`)
  }
  return made
}

/** `row` less `key`. */
export function without(row: Row, key: string): Row {
  const { [key]: _, ...rest } = row
  return rest
}

/** `row` marked as failed in `stage`. */
export function fail(row: Row, stage: string, code: string, message: string, retryable = false): Row {
  return extend(row, 'error', { stage, code, message, retryable } satisfies RowError)
}

/** Parquet knows no missing key, only null: both mean that the row is well. */
export function errorOf(row: Row): RowError | undefined {
  return (row.error as RowError | null | undefined) ?? undefined
}

/** One line of JSON, without the newline. Bytes become base64. */
export function textOf(row: Row): string {
  return texts.get(row) ?? stringify(row)
}

/**
 * JSON in which bytes survive: `{bytes, path}` (a picture as Hugging Face writes it) has base64 in `bytes`;
 * bytes anywhere else become `{"$base64": "…"}`. parquet-write.ts turns both back.
 */
export function stringify(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key: string, held: unknown) {
    const raw = this[key] // before Buffer's own toJSON
    if (raw instanceof Uint8Array) {
      const base64 = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('base64')
      return key === 'bytes' && 'path' in this ? base64 : { $base64: base64 }
    }
    return held
  })
}

/** What makes a problem that problem, for rows without `id`. */
const identity = ['images', 'image', 'question', 'options', 'answer']
const hashes = new WeakMap<Row, string>()

/** The problem's name: `id`, or else a hash of pictures, question, options and answer (16 hexadecimal digits). */
export function idOf(row: Row): string {
  if (row.id !== undefined && row.id !== null && row.id !== '') return String(row.id)
  let id = hashes.get(row)
  if (id === undefined) {
    const held = identity.map(key => row[key] ?? null)
    id = createHash('sha256').update(stringify(held)).digest('hex').slice(0, 16)
    hashes.set(row, id)
  }
  return id
}
