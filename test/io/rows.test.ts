/** jsonl.ts, row.ts, shard.ts, windows.ts, images.ts: the small parts. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadImage, loadImages } from '../../src/io/images.ts'
import { readJsonl } from '../../src/io/jsonl.ts'
import { extend, idOf, type Row, stringify, textOf, without } from '../../src/io/row.ts'
import { inShard, parseShard } from '../../src/io/shard.ts'
import { bySize } from '../../src/io/windows.ts'

const test = suite('rows')

test('lines at every chunk boundary, CRLF, empty lines, byte order mark, no last newline', async () => {
  const text = '\ufeff{"a":"é🍎"}\r\n\n{"b":2}\n{"c": [1]}'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= bytes.length; size++) {
    const rows = (await collect(readJsonl(chunks(bytes, size), 'x'))).flat()
    assert.equal(rows, [{ a: 'é🍎' }, { b: 2 }, { c: [1] }])
  }
})

test('adding a key to a row leaves its text alone', async () => {
  const [[row, empty]] = await collect(
    readJsonl(chunks(Buffer.from('{"n":1.0, "big":12345678901234567890}\n{ }\n')), 'x'),
  )
  assert.is(textOf(extend(row, 'k', { x: 1 })), '{"n":1.0, "big":12345678901234567890,"k":{"x":1}}')
  assert.is(textOf(extend(empty, 'k', null)), '{ "k":null}')
  assert.is(textOf(extend(extend(row, 'k', 1), 'k', 2)), '{"n":1,"big":12345678901234567000,"k":2}')
  assert.is(textOf({ ...row, n: 2 }), '{"n":2,"big":12345678901234567000}')
  assert.is(textOf(without(extend(row, 'n2', 3), 'big')), '{"n":1,"n2":3}')
})

test('bytes in JSON', () => {
  const bytes = Buffer.from([1, 2])
  assert.is(
    stringify({ images: [{ bytes, path: null }], raw: new Uint8Array(bytes) }),
    '{"images":[{"bytes":"AQI=","path":null}],"raw":{"$base64":"AQI="}}',
  )
})

test('the id is the user’s, or a hash of the problem that stages do not change', () => {
  assert.is(idOf({ id: 7 }), '7')
  const row: Row = { question: 'Q', images: ['a.png'], answer: 1 }
  assert.match(idOf(row), /^[0-9a-f]{16}$/)
  assert.is(idOf(extend(row, 'caption', {})), idOf({ answer: 1, question: 'Q', images: ['a.png'], extra: 1 }))
  assert.is.not(idOf(row), idOf({ ...row, question: 'R' }))
})

test('shards part the ids, evenly enough', () => {
  const ids = Array.from({ length: 3000 }, (_, i) => `p${i}`)
  const parts = [1, 2, 3].map(i => ids.filter(id => inShard(id, parseShard(`${i}/3`))))
  assert.is(parts.flat().length, 3000)
  assert.is(new Set(parts.flat()).size, 3000)
  for (const part of parts) assert.ok(Math.abs(part.length - 1000) < 120)
  for (const text of ['0/3', '4/3', 'x', '1/0', '1/2/3']) assert.throws(() => parseShard(text), /expected i\/n/)
})

test('windows count the rows that are worked on', async () => {
  const rows: Row[] = Array.from({ length: 7 }, (_, i) => ({ i, pass: i % 2 === 1 }))
  const windows = await collect(bySize([rows.slice(0, 2), rows.slice(2)], 2, row => row.pass === true))
  assert.equal(
    windows.map(window => window.map(row => row.i)),
    [
      [0, 1, 2],
      [3, 4, 5, 6],
    ],
  )
})

test('pictures from everywhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sophia-test-'))
  writeFileSync(join(folder, 'x.png'), 'png')
  const options = { folder }
  const held = [
    'x.png',
    join(folder, 'x.png'),
    'data:image/png;base64,cG5n',
    'data:,png',
    { bytes: 'cG5n', path: 'elsewhere.png' },
    { bytes: Buffer.from('png'), path: null },
    { bytes: { $base64: 'cG5n' } },
    { bytes: null, path: 'x.png' },
  ]
  for (const bytes of await loadImages({ images: held }, options)) assert.is(Buffer.from(bytes).toString(), 'png')
  assert.is((await loadImages({ image: held[0] }, options)).length, 1)
  assert.is((await loadImages({ images: null, image: null }, options)).length, 0)
  const refused: [unknown, RegExp][] = [
    ['none.png', /no file .*none\.png.*--images DIR/],
    ['https://example.org/x.png', /allow fetching with --allow-remote/],
    [{ path: 3 }, /expected a path, a data: URI or \{bytes, path\}, got \{"path":3\}/],
    ['data:nothing', /expected data:/],
  ]
  for (const [reference, message] of refused)
    assert.match(
      await loadImage(reference, options).then(
        () => '',
        (error: Error) => error.message,
      ),
      message,
    )
})

test.run()

async function* chunks(bytes: Buffer, size = bytes.length) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
