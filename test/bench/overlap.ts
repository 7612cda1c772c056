/**
 * What `check overlap` finds and what it leaves alone: MathVision's and OlympiadBench's questions and pictures against
 * changed copies of themselves, against each other, and the tiny world's training questions against its test.
 * Run: npx tsx test/bench/overlap.ts DATA [EVERY-NTH-PICTURE]. DATA holds mathvision/ and olympiadbench/. Not part of npm test.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import { benchmarks, openBenchmark } from '../../src/benchmarks/index.ts'
import type { Row } from '../../src/io/row.ts'
import { openSource, type Source } from '../../src/io/source.ts'
import { stream } from '../../src/random.ts'
import { Benchmarks, type Overlap } from '../../src/sophia/overlap/overlap.ts'
import { type View, viewsOf } from '../../src/sophia/overlap/picture.ts'
import { Pictures } from '../../src/sophia/overlap/pictures.ts'

const [data, nth = '2'] = process.argv.slice(2)
const rowsOf = async (source: Source) => {
  const rows: Row[] = []
  for await (const batch of source.batches()) rows.push(...batch)
  return rows
}
const mathvision = await rowsOf(openBenchmark(benchmarks.mathvision, join(data, 'mathvision/testmini.jsonl')))
const olympiad = await rowsOf(
  openBenchmark(benchmarks.olympiadbench, join(data, 'olympiadbench/OE_TO_maths_en_COMP.dev.json')),
)
const world = {
  train: await rowsOf(openSource('fixtures/world/train.parquet')),
  test: await rowsOf(openSource('fixtures/world/test.parquet')),
}
const all = [...mathvision, ...olympiad]
const asked = (row: Row) => row.question as string
const print = (...cells: (string | number)[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`)

async function read(rows: Row[]): Promise<Benchmarks> {
  const made = new Benchmarks('text')
  await made.read('held', { name: 'held', folder: '.', fraction: () => undefined, batches: async function* () { yield rows } }) // biome-ignore format: one call
  return made
}

function report(name: string, found: (Overlap | null)[], rows?: Row[]): void {
  const of = (kind: string) => found.filter(hit => hit?.kind === kind).length
  const wrong = rows ? found.filter((hit, i) => hit && hit.id !== String(rows[i].id)).length : ''
  const share = (found.filter(hit => hit).length / found.length).toFixed(3)
  print(name, found.length, share, of('exact'), of('ngram'), wrong)
}

const filler = 'the a of point line blue cake seven ant some more when under between table green house'.split(' ')
const replaced = (text: string, share: number) => {
  const next = stream(0, text, share)
  const word = () => filler[Math.floor(next() * filler.length)]
  return text.split(/\s+/).map(each => (next() < share ? word() : each)).join(' ') // biome-ignore format: a chain
}
const part = (text: string, from: number, to: number) => {
  const words = text.split(/\s+/)
  return words.slice(Math.floor(from * words.length), Math.ceil(to * words.length)).join(' ')
}
const copies: Record<string, (text: string) => string> = {
  'as it is': text => text,
  'other dress': text => text.replace(/\$|\\left|\\right|<image\d+>/g, '').replace(/\s+/g, ' ').toLowerCase(),
  'with options': text => `${text}\n(A) 12\n(B) 13\n(C) 14\n(D) 15`,
  embedded: text => `Please reason step by step. ${text} He hands it in on Monday, with a drawing. What does he write?`,
  'sentences reversed': text => text.split(/(?<=[.?])\s+/).reverse().join(' '),
  'first 60%': text => part(text, 0, 0.6),
  'last 60%': text => part(text, 0.4, 1),
  '10% of words replaced': text => replaced(text, 0.1),
  '20% of words replaced': text => replaced(text, 0.2),
  '30% of words replaced': text => replaced(text, 0.3),
} // biome-ignore format: a table
const renumbered = (text: string) => text.replace(/(?<!image)\d+/g, digits => String(Number(digits) + 7))

print('questions', 'n', 'found', 'exact', 'ngram', 'another one')
const both = await read(all)
const find = (rows: Row[], held: Benchmarks, change = (text: string) => text) =>
  rows.map(row => held.find(change(asked(row)), []))
for (const [name, change] of Object.entries(copies)) report(name, find(all, both, change), all)
const numbered = all.filter(row => /\d/.test(asked(row).replace(/image\d/g, '')))
report('renumbered', find(numbered, both, renumbered), numbered)
const others = async (rows: Row[]) => {
  const found: (Overlap | null)[] = []
  for (const row of rows) found.push(...find([row], await read(rows.filter(other => other !== row))))
  return found
}
report('MathVision in OlympiadBench', find(mathvision, await read(olympiad)))
report('OlympiadBench in MathVision', find(olympiad, await read(mathvision)))
report('MathVision in the rest of it', await others(mathvision))
report('OlympiadBench in the rest of it', await others(olympiad))
report('world train in world test', find(world.train, await read(world.test)))

const file = (row: Row) => readFileSync(join(data, 'mathvision', (row.images as string[])[0]))
const margin = (share: number, picture: Sharp, width: number, height: number) =>
  picture.extend({ left: 0, right: Math.round(share * width), top: Math.round(share * height), bottom: 0, background: 'white' }) // biome-ignore format: one call
const cropped = (left: number, top: number, picture: Sharp, width: number, height: number) => {
  const [x, y] = [Math.floor(left * width), Math.floor(top * height)]
  return picture.extract({ left: x, top: y, width: width - 2 * x, height: height - 2 * y })
}
const changes: Record<string, (picture: Sharp, width: number, height: number) => Sharp> = {
  'JPEG, quality 30': picture => picture.jpeg({ quality: 30 }),
  'WebP, quality 50': picture => picture.webp({ quality: 50 }),
  '16 colours': picture => picture.png({ palette: true, colours: 16 }),
  half: (picture, width) => picture.resize(Math.round(width / 2)),
  quarter: (picture, width) => picture.resize(Math.round(width / 4)),
  double: (picture, width) => picture.resize(2 * width),
  'brighter by 15%': picture => picture.linear(1.15, 0),
  'darker by 15%': picture => picture.linear(0.85, 0),
  'less contrast': picture => picture.linear(0.8, 25),
  grey: picture => picture.greyscale(),
  'cropped by 2%': (...given) => cropped(0.01, 0.01, ...given),
  'cropped by 4%': (...given) => cropped(0.02, 0.02, ...given),
  'margin of 5%': (...given) => margin(0.05, ...given),
  'margin of 30%': (...given) => margin(0.3, ...given),
}
const pictures = new Pictures()
const views: View[][] = []
const began = performance.now()
for (const [item, row] of mathvision.entries()) pictures.add(views[views.push(await viewsOf(file(row))) - 1], item)
const ms = (performance.now() - began) / mathvision.length
const pairs = views.flatMap((each, a) => [...pictures.find(each).keys()].filter(b => b < a).map(b => [a, b]))
const named = pairs.map(pair => pair.map(item => mathvision[item].id).join(' and '))
process.stdout.write(`\n${ms.toFixed(1)} ms a picture; of all pairs these are the same: ${named.join(', ')}\n`)
print('pictures', 'n', 'found', 'others')
for (const [name, change] of Object.entries(changes)) {
  const [count, found, wrong] = [[], [], []] as number[][]
  for (let item = 0; item < mathvision.length; item += Number(nth)) {
    const { width, height } = await sharp(file(mathvision[item])).metadata()
    const changed = await change(sharp(file(mathvision[item])), width, height).toBuffer()
    const hits = pictures.find(await viewsOf(changed))
    count.push(item)
    if (hits.has(item)) found.push(item)
    wrong.push(...[...hits.keys()].filter(other => other !== item && !pictures.find(views[item]).has(other)))
  }
  print(name, count.length, (found.length / count.length).toFixed(3), wrong.length)
}
