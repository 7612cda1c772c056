/**
 * A JSONL file as Parquet, by way of hyparquet-writer. Read twice: once for the schema, once for the rows, which go
 * out in row groups, so that memory stays bounded. Compression is snappy, which every reader knows.
 */
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import { elements, fit, join, type Shape, shapeOf } from './parquet-schema.ts'
import { textOf } from './row.ts'
import { readRows } from './source.ts'

/** Characters of JSON, and rows, that make a row group. */
const groupText = 16 * 2 ** 20
const groupRows = 20_000

/** Writes the rows of the JSONL file `from` to the Parquet file `to`. */
export async function writeParquet(from: string, to: string): Promise<void> {
  const columns = new Map<string, Shape>()
  for await (const row of readRows(from, 'jsonl')) {
    for (const [key, value] of Object.entries(row)) {
      const shape = shapeOf(value)
      const known = columns.get(key)
      columns.set(key, known ? join(known, shape) : shape)
    }
  }
  if (columns.size === 0) columns.set('id', { kind: 'text' }) // no rows, but a file must have a column
  const schema = [
    { name: 'schema', num_children: columns.size },
    ...[...columns].flatMap(([key, shape]) => elements(key, shape)),
  ]
  const writer = new ParquetWriter({ writer: fileWriter(to), schema, createdBy: 'sophia' })
  let data = [...columns.keys()].map((): unknown[] => [])
  let size = 0
  const group = async () => {
    const columnData = [...columns.keys()].map((name, i) => ({ name, data: data[i] }))
    await writer.write({ columnData, rowGroupSize: data[0].length })
    data = data.map(() => [])
    size = 0
  }
  for await (const row of readRows(from, 'jsonl')) {
    let i = 0
    for (const [key, shape] of columns) data[i++].push(fit(row[key], shape))
    size += textOf(row).length
    if (size >= groupText || data[0].length >= groupRows) await group()
  }
  if (data[0].length > 0) await group()
  await writer.finish()
}
