/** Hashes against the Python package imagehash, what they survive, and the index against looking at all. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UserError } from '../../../src/errors.ts'
import { stream } from '../../../src/random.ts'
import { apart, cells } from '../../../src/sophia/overlap/colours.ts'
import { distance, hashOf } from '../../../src/sophia/overlap/hash.ts'
import { viewsOf } from '../../../src/sophia/overlap/picture.ts'
import { near, Pictures } from '../../../src/sophia/overlap/pictures.ts'
import { root } from '../../processes/sophia.ts'

const test = suite('pictures')
const folder = join(root, 'fixtures/golden/overlap')
const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Record<string, Record<string, string>>
const names = Object.keys(golden)
const bytes = (name: string) => readFileSync(join(folder, `${name}.png`))

const hex = (bits: Uint32Array) => [...bits].map(word => word.toString(16).padStart(8, '0')).join('')
const bitsOf = (text: string) => Uint32Array.from(text.match(/.{8}/g) ?? [], word => Number.parseInt(word, 16))
const find = async (other: Uint8Array, name: string) => {
  const pictures = new Pictures()
  pictures.add(await viewsOf(bytes(name)), 0)
  return pictures.find(await viewsOf(other)).get(0)
}

test("imagehash's bits where nothing is resized", async () => {
  for (const name of ['grey', 'grey-other']) {
    const { coarse, fine } = hashOf(await sharp(bytes(name)).toColourspace('b-w').raw().toBuffer())
    assert.is(hex(coarse), golden[name].coarse)
    assert.is(hex(fine), golden[name].fine)
  }
})

// Where a drawing is symmetric half of the frequencies are next to nothing, and the resizing says what sign they have.
test("imagehash's bits, but for a few, where pictures are resized", async () => {
  for (const name of names) {
    const [whole] = await viewsOf(bytes(name))
    assert.ok(distance(whole.coarse, bitsOf(golden[name].coarse)) <= 8, name)
    assert.ok(distance(whole.coarse, bitsOf(golden[name].standard)) <= 8, name)
    assert.ok(distance(whole.fine, bitsOf(golden[name].fine)) <= 28, name)
  }
})

test('distance counts bits', () => {
  assert.is(distance(Uint32Array.of(0xffffffff, 0), Uint32Array.of(0, 1)), 33)
  assert.is(distance(Uint32Array.of(0x80000001), Uint32Array.of(0x80000001)), 0)
})

const changes: Record<string, (picture: Sharp, width: number, height: number) => Sharp> = {
  'the same': picture => picture,
  half: (picture, width) => picture.resize(Math.round(width / 2)),
  double: (picture, width) => picture.resize(2 * width),
  JPEG: picture => picture.jpeg({ quality: 40 }),
  WebP: picture => picture.webp({ quality: 50 }),
  brighter: picture => picture.linear(1.1, 0),
  darker: picture => picture.linear(0.85, 0),
  'less contrast': picture => picture.linear(0.8, 25),
  'cropped by 2%': (picture, width, height) =>
    picture.extract({
      left: Math.ceil(width / 100),
      top: 1,
      width: width - 2 * Math.ceil(width / 100),
      height: height - 2,
    }),
}
for (const [change, make] of Object.entries(changes))
  test(`found again: ${change}`, async () => {
    for (const name of names) {
      const { width, height } = await sharp(bytes(name)).metadata()
      const changed = await make(sharp(bytes(name)), width, height).toBuffer()
      assert.ok(await find(changed, name), name)
    }
  })

test('found again: a wider margin around a drawing, transparency for white', async () => {
  for (const name of ['triangle', 'wheel', 'bars']) {
    const wide = sharp(bytes(name)).extend({ left: 40, right: 5, top: 0, bottom: 60, background: 'white' })
    assert.ok(await find(await wide.png().toBuffer(), name), name)
    const clear = sharp(bytes(name)).unflatten()
    assert.ok(await find(await clear.png().toBuffer(), name), `${name}, transparent`)
  }
})

test('found again: a grey copy', async () => {
  for (const name of ['bars', 'landscape'])
    assert.ok(await find(await sharp(bytes(name)).greyscale().png().toBuffer(), name), name)
})

test('other pictures are other pictures, drawings that differ in a line or a bar too', async () => {
  for (const a of names) for (const b of names) if (a !== b) assert.is(await find(bytes(a), b), undefined, `${a}, ${b}`)
})

test('a stretched picture and another colour are not the same', async () => {
  const flat = await sharp(bytes('wheel')).resize(300, 100, { fit: 'fill' }).toBuffer()
  assert.is(await find(flat, 'wheel'), undefined)
  const swapped = await sharp(bytes('bars')).recomb([[0, 0, 1], [0, 1, 0], [1, 0, 0]]).toBuffer() // biome-ignore format: rows
  assert.is(await find(swapped, 'bars'), undefined)
})

test('colours: the area that differs most; luma where one is grey', () => {
  const plane = (r: number, g: number, b: number) =>
    Uint8Array.from({ length: 3 * cells * cells }, (_, i) => [r, g, b][Math.floor(i / cells ** 2)])
  const red = plane(200, 0, 0)
  const one = plane(200, 0, 0)
  one[cells * cells + 5] = 90
  assert.is(apart(red, one), 90)
  assert.is(Math.round(apart(red, plane(60, 60, 60))), 0)
})

test('nearly blank pictures have no views', async () => {
  const blank = (background: string) => sharp({ create: { width: 80, height: 60, channels: 3, background } })
  for (const colour of ['white', 'black', '#888'])
    assert.is((await viewsOf(await blank(colour).png().toBuffer())).length, 0)
  const dot = { input: Buffer.from([0, 0, 0]), raw: { width: 1, height: 1, channels: 3 as const }, left: 40, top: 30 }
  assert.is((await viewsOf(await blank('white').composite([dot]).png().toBuffer())).length, 0)
})

test('what is no picture is told', async () => {
  for (const broken of [Buffer.from('hello'), bytes('landscape').subarray(0, 900), Buffer.alloc(0)])
    try {
      await viewsOf(broken)
      assert.unreachable()
    } catch (error) {
      assert.instance(error, UserError)
      assert.match((error as Error).message, /^image: expected a picture/)
    }
})

test('the index finds what looking at all finds', () => {
  const next = stream(1, 'overlap')
  const word = () => Math.floor(next() * 2 ** 27) * 32 + Math.floor(next() * 32)
  const view = (coarse: Uint32Array) => ({ coarse, fine: new Uint32Array(8), aspect: 1, colours: new Uint8Array(768) })
  const flipped = (coarse: Uint32Array, bits: number) => {
    const made = coarse.slice()
    for (let i = 0; i < bits; i++) {
      const at = Math.floor(next() * 64)
      made[at >> 5] ^= 1 << (at & 31)
    }
    return made
  }
  const hashes: Uint32Array[] = []
  for (let i = 0; i < 500; i++) hashes.push(i % 5 ? flipped(hashes[i - (i % 5)], 14) : Uint32Array.of(word(), word()))
  const pictures = new Pictures()
  for (const [i, hash] of hashes.entries()) pictures.add([view(hash)], i)
  let found = 0
  for (let i = 0; i < 500; i++) {
    const query = flipped(hashes[i], i % 16)
    const all = [...hashes.keys()].filter(j => distance(query, hashes[j]) <= near.coarse)
    assert.equal(
      [...pictures.within(query)].sort((a, b) => a - b),
      all,
    )
    found += all.length
  }
  assert.ok(found > 400 && found < 5000)
})

test.run()
