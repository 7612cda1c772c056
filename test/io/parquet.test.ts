/** Parquet both ways: what pyarrow wrote (see fixtures/golden/make_parquet.py), and our own, pictures included. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadImages } from '../../src/io/images.ts'
import { writeParquet } from '../../src/io/parquet-write.ts'
import { type Row, stringify, textOf } from '../../src/io/row.ts'
import { readRows } from '../../src/io/source.ts'
import { root, sophia, temporary } from '../processes/sophia.ts'

const test = suite('parquet')
const dir = temporary()
const golden = join(root, 'fixtures/golden/parquet')
const expected: Row[] = JSON.parse(readFileSync(join(golden, 'rows.json'), 'utf8'))

for (const codec of ['snappy', 'zstd', 'gzip', 'none']) {
  test(`what pyarrow wrote with ${codec}`, async () => {
    const rows = await all(readRows(join(golden, `${codec}.parquet`)))
    assert.equal(
      rows.map(row => JSON.parse(textOf(row))),
      expected,
    )
  })
}

test('pictures come as bytes', async () => {
  const [first] = await all(readRows(join(golden, 'zstd.parquet')))
  const [bytes] = await loadImages(first, { folder: '.' })
  assert.is(Buffer.from(bytes.subarray(1, 4)).toString(), 'PNG')
})

test('round trip: the same rows, and a Parquet file of the same layout', async () => {
  const [jsonl, parquet] = ['rows.jsonl', 'rows.parquet'].map(name => join(dir, name))
  writeFileSync(jsonl, expected.map(row => `${stringify(row)}\n`).join(''))
  await writeParquet(jsonl, parquet)
  const rows = await all(readRows(parquet))
  assert.equal(
    rows.map(row => JSON.parse(textOf(row))),
    expected,
  )
  const paths = async (file: string) => {
    const { schema } = await parquetMetadataAsync(await asyncBufferFromFile(file))
    return schema.slice(1).map(({ name, type, converted_type }) => [name, type, converted_type])
  }
  const images = (list: unknown[][]) => list.slice(list.findIndex(([name]) => name === 'images')).slice(0, 5)
  assert.equal(images(await paths(parquet)), images(await paths(join(golden, 'zstd.parquet'))))
})

test('columns of mixed kinds, missing keys, empty objects, large files', async () => {
  const [jsonl, parquet] = ['mixed.jsonl', 'mixed.parquet'].map(name => join(dir, name))
  const rows: Row[] = [
    { id: 'a', answer: 1, x: {}, n: 1, deep: { list: [{ a: 1 }] }, raw: new Uint8Array([0, 255]) },
    { id: 'b', answer: 'one', x: { y: 1 }, n: 1.5, deep: { list: [{ b: 'z' }, null] } },
    { id: 'c', answer: [1, 'two'], extra: true },
  ]
  for (let i = 0; i < 45_000; i++) rows.push({ id: `r${i}`, answer: i })
  writeFileSync(jsonl, rows.map(row => `${stringify(row)}\n`).join(''))
  await writeParquet(jsonl, parquet)
  const read = await all(readRows(parquet))
  assert.is(read.length, rows.length)
  assert.equal(
    read.map(held => held.answer),
    rows.map(held => held.answer),
  )
  assert.equal(read[1].deep, { list: [{ a: null, b: 'z' }, null] })
  assert.equal(read[0].raw, new Uint8Array([0, 255]))
  assert.equal([read[0].n, read[1].n, read[2].n, read[2].extra], [1, 1.5, null, true])
  assert.equal([read[0].x, read[1].x, read[2].x], [{}, { y: 1 }, null])
})

test('through a stage: Parquet in and out, by file and by pipe, errors stay errors', async () => {
  const input = join(dir, 'in.parquet')
  const rows = [
    { id: 'a', answer: 2, trajectory: '\\boxed{2}', images: [{ bytes: Buffer.from('png'), path: 'x.png' }] },
    { id: 'b', answer: 2 },
  ]
  writeFileSync(join(dir, 'in.jsonl'), rows.map(row => `${stringify(row)}\n`).join(''))
  await writeParquet(join(dir, 'in.jsonl'), input)
  const out = join(dir, 'out.parquet')
  const first = await sophia(['reward', '-q', input, '-o', out])
  const second = await sophia(['reward', '-q', out])
  assert.equal([first.code, second.code], [3, 3])
  const [a, b] = second.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(a.images, [{ bytes: Buffer.from('png').toString('base64'), path: 'x.png' }])
  assert.is(a.verdict.reward, 1)
  assert.not.ok('error' in a)
  assert.is(b.error.code, 'no-trajectory')
  assert.not.ok('verdict' in b)
})

test.run()

async function all(rows: AsyncIterable<Row>): Promise<Row[]> {
  const list: Row[] = []
  for await (const row of rows) list.push(row)
  return list
}
