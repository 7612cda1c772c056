/**
 * Rows from Parquet, by way of hyparquet: what pyarrow and the Hub write, zstd and snappy, nested pictures included.
 * A row group is read at once, unless it is large; then in slices, so that memory stays bounded.
 */
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { UserError } from '../errors.ts'
import { type Row, remember, stringify } from './row.ts'

/** Bytes, uncompressed, that are read at once. */
const slice = 128 * 2 ** 20

/** Keys of stages: Parquet's null means that the stage has not been there. */
const made = ['caption', 'trajectory', 'verdict', 'credit', 'error']

/** Batches of rows. `told` hears the fraction read. int64 becomes a number, or a string where a number would lose digits. */
export async function* readParquet(path: string, told: (fraction: number) => void = () => {}): AsyncGenerator<Row[]> {
  const file = await asyncBufferFromFile(path)
  let metadata: FileMetaData
  try {
    metadata = await parquetMetadataAsync(file)
  } catch (error) {
    throw new UserError(`${path}: expected a whole Parquet file, got: ${(error as Error).message}`)
  }
  const total = Number(metadata.num_rows)
  let start = 0
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows)
    const step = Math.max(1, Math.ceil(rows / Math.ceil(Number(group.total_byte_size) / slice || 1)))
    for (let at = 0; at < rows; at += step) {
      const rowStart = start + at
      const rowEnd = start + Math.min(rows, at + step)
      const range = { file, metadata, rowStart, rowEnd, compressors, utf8: false }
      const read = await parquetReadObjects(range).catch((error: Error) => {
        throw new UserError(`${path}: rows ${rowStart + 1} to ${rowEnd} cannot be read: ${error.message}`)
      })
      for (let from = 0; from < read.length; from += 64) yield read.slice(from, from + 64).map(asRow)
      told(rowEnd / total)
    }
    start += rows
  }
}

/** The row as a JSONL reader would have given it, pictures still as bytes. */
function asRow(read: Record<string, unknown>): Row {
  const row = plain(read) as Row
  for (const key of made) if (row[key] === null) delete row[key]
  return remember(row, stringify(row))
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain)
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]))
}
