/** Benchmarks fetched from a Hub of our own on this machine: what is fetched, in pages, what a cut leaves, what is told. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, relative } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Benchmark,
  type BenchmarkName,
  benchmarks,
  fetchBenchmark,
  openBenchmark,
} from '../../src/benchmarks/index.ts'
import { root, temporary } from '../processes/sophia.ts'

const test = suite('benchmarks: hub')
const SHA = 'fedcba9876543210fedcba9876543210fedcba98'
const golden = join(root, 'fixtures/golden/benchmarks')

/** What the Hub has: data set → path → bytes. */
const sets: Record<string, Record<string, Buffer>> = {
  'MathLLMs/MathVision': { ...under('mathvision'), 'images.zip': Buffer.from('52 MB that nobody needs') },
  'Hothan/OlympiadBench': { ...under('olympiadbench'), '../outside_OE_TO_maths_zh_CEE.parquet': Buffer.from('') },
  'DynaMath/DynaMath_Sample': under('dynamath'),
  'PeijieWang/MV-MATH': under('mv-math'),
  'odd/empty': {},
}
for (const held of Object.values(sets)) held['README.md'] = Buffer.from('# a data set')

const asked: string[] = []
let pageSize = 1000
let cut = 0
/** Bytes that the list says too many. */
let wrongSize = 0
let tokenNeeded: string | undefined
/** What the Link header says before the query: answers may not say where to ask. */
let linkTo = ''

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const url = new URL(request.url as string, 'http://hub')
  asked.push(`${url.pathname}${url.search}`)
  if (tokenNeeded && request.headers.authorization !== `Bearer ${tokenNeeded}`) return response.writeHead(401).end()
  const [, api, id, what, rest] =
    /^(\/api)?\/datasets\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/(.*)$/.exec(url.pathname) ?? []
  const held = sets[id]
  if (!held) return response.writeHead(404).end('{"error": "Repository not found"}')
  if (api && what === 'revision') return response.end(JSON.stringify({ sha: SHA }))
  if (api && what === 'tree' && rest === SHA && url.searchParams.get('recursive') === 'true') {
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const folders = [...new Set(Object.keys(held).map(name => name.split('/')[0]))].filter(name => !held[name])
    const all = [
      ...folders.map(path => ({ type: 'directory', oid: '0', size: 0, path })),
      ...Object.entries(held).map(([path, bytes]) => ({
        type: 'file',
        oid: '1',
        size: bytes.length + wrongSize,
        path,
      })),
    ]
    const next = from + pageSize < all.length
    const link = `<${linkTo || `http://127.0.0.1:${port}`}${url.pathname}?recursive=true&cursor=${from + pageSize}>; rel="next"`
    response.writeHead(200, { 'content-type': 'application/json', ...(next && { link }) })
    return response.end(JSON.stringify(all.slice(from, from + pageSize)))
  }
  const bytes = held[decodeURIComponent(rest.replace(`${SHA}/`, ''))]
  if (!bytes || what !== 'resolve') return response.writeHead(404).end()
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from) asked.push(`from ${from}`)
  response.writeHead(from ? 206 : 200, { 'content-length': bytes.length - from })
  if (cut > 0) {
    response.write(bytes.subarray(from, from + cut), () => setTimeout(() => response.destroy(), 50))
    cut = 0
  } else response.end(bytes.subarray(from))
})
await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready))
const { port } = server.address() as AddressInfo

/** An empty cache, and the Hub at hand. */
function fresh(): string {
  process.env.HF_ENDPOINT = `http://127.0.0.1:${port}/`
  process.env.SOPHIA_CACHE = temporary()
  asked.length = 0
  pageSize = 1000
  return process.env.SOPHIA_CACHE
}

const fetched = (name: BenchmarkName, tell?: (line: string) => void) => fetchBenchmark(name, benchmarks[name], tell)
async function ids(name: BenchmarkName, folder: string): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const batch of openBenchmark(benchmarks[name], folder).batches()) rows.push(...batch.map(row => row.id))
  return rows
}

async function complaint(work: () => Promise<unknown>): Promise<string> {
  const error = await work().then(
    () => undefined,
    (reason: Error) => reason,
  )
  assert.is(error?.name, 'UserError', String(error?.stack))
  return (error as Error).message
}

test('only the files of the split, once; after that the cache will do, offline too', async () => {
  const cache = fresh()
  const told: string[] = []
  const folder = await fetched('mathvision', line => told.push(line))
  assert.is(folder, join(cache, 'datasets/MathLLMs/MathVision/main'))
  const file = 'data/test-00000-of-00001-0123456789abcdef.parquet'
  assert.equal(files(folder), ['.complete-mathvision', file])
  assert.equal(readFileSync(join(folder, file)), readFileSync(join(golden, 'mathvision', file)))
  assert.equal(told, ['fetching MathLLMs/MathVision: 1 files, 0.0 MB'])
  assert.equal(await ids('mathvision', folder), ['11', '12', '13'])
  process.env.HF_ENDPOINT = 'http://127.0.0.1:1'
  process.env.HF_HUB_OFFLINE = '1'
  assert.is(await fetched('mathvision'), folder)
  delete process.env.HF_HUB_OFFLINE
})

test('folders of subsets; a list that comes by pages; names that would leave the folder', async () => {
  const cache = fresh()
  pageSize = 2
  const folder = await fetched('olympiadbench')
  assert.is(asked.filter(url => url.includes('/tree/')).length, 4)
  assert.equal(
    files(folder).filter(name => name.endsWith('.parquet')),
    ['OE_MM_physics_en_COMP', 'OE_TO_maths_zh_CEE'].map(name => `OlympiadBench/${name}/${name}.parquet`),
  )
  assert.not(files(cache).some(name => name.includes('outside')))
  assert.equal(await ids('olympiadbench', folder), ['7', 'OE_TO_maths_zh_CEE/7', '8'])
})

test('the next page is asked for where the first was', async () => {
  fresh()
  pageSize = 2
  linkTo = 'http://127.0.0.1:1'
  const folder = await fetched('dynamath')
  linkTo = ''
  assert.is((await ids('dynamath', folder)).length, 12)
})

test('pictures come in their archive and are laid into images/', async () => {
  const cache = fresh()
  const folder = await fetched('mv-math')
  assert.equal(files(folder), [
    '.complete-mv-math',
    'MV-MATH.json',
    'images.zip',
    'images/blue.png',
    'images/green.png',
    'images/outside.png',
    'images/red.png',
  ])
  assert.not(existsSync(join(cache, 'outside.png')))
  assert.is(openBenchmark(benchmarks['mv-math'], folder).folder, folder)
  assert.equal(await ids('mv-math', folder), ['1', '2', '3', '4'])
})

test('names with spaces and brackets', async () => {
  fresh()
  const name = 'a (10 options)/x #1+2%.parquet'
  sets['odd/set'] = {
    [name]: readFileSync(join(golden, 'mathvision/data/test-00000-of-00001-0123456789abcdef.parquet')),
  }
  const odd: Benchmark = { ...benchmarks.mathvision, hub: 'odd/set', files: names => names }
  const folder = await fetchBenchmark('odd', odd)
  assert.equal(readFileSync(join(folder, name)), sets['odd/set'][name])
})

test('a download that was cut is taken up where it stopped; half a file is never read', async () => {
  const cache = fresh()
  cut = 3000
  assert.match(await complaint(() => fetched('dynamath')), /broke off.*takes it up again/)
  const half = files(cache)
  assert.equal(half, [
    `datasets/DynaMath/DynaMath_Sample/main/data/sample1-00000-of-00001.parquet.${SHA.slice(0, 12)}.part`,
  ])
  asked.length = 0
  const folder = await fetched('dynamath')
  assert.ok(asked.includes('from 3000'), asked.join())
  for (const name of files(folder).filter(held => held.endsWith('.parquet')))
    assert.equal(readFileSync(join(folder, name)), readFileSync(join(golden, 'dynamath', name)))
  assert.is(files(folder).filter(name => name.endsWith('.part')).length, 0)
})

test('a file of another size than the Hub says is refused, and fetched anew', async () => {
  fresh()
  const name = 'data/test-00000-of-00001-0123456789abcdef.parquet'
  wrongSize = 1
  assert.match(await complaint(() => fetched('mathvision')), /abcdef\.parquet: expected \d+ bytes, got \d+/)
  wrongSize = 0
  const folder = await fetched('mathvision')
  assert.equal(readFileSync(join(folder, name)), readFileSync(join(golden, 'mathvision', name)))
})

test('HF_TOKEN opens what is gated, and goes to this Hub alone', async () => {
  fresh()
  tokenNeeded = 'secret'
  assert.match(await complaint(() => fetched('mathvision')), /no such data set, or a gated one: set HF_TOKEN/)
  process.env.HF_TOKEN = 'secret'
  await fetched('mathvision')
  delete process.env.HF_TOKEN
  tokenNeeded = undefined
})

test('what is wrong is told, and what to do', async () => {
  fresh()
  const none: Benchmark = { ...benchmarks.mathvision, hub: 'nobody/nothing' }
  assert.match(
    await complaint(() => fetchBenchmark('mathvision', none)),
    /nobody\/nothing: .*answers 404.*--data PATH reads files that you have\. Download MathVision/,
  )
  const empty: Benchmark = { ...none, hub: 'odd/empty' }
  assert.match(await complaint(() => fetchBenchmark('x', empty)), /has no file of the split/)
  const unknown: Benchmark = { ...none, hub: undefined }
  assert.match(
    await complaint(() => fetchBenchmark('x', unknown)),
    /--benchmark x: expected --data PATH: .* Download MathVision/,
  )
  process.env.HF_ENDPOINT = 'http://127.0.0.1:1'
  assert.match(await complaint(() => fetched('mathvision')), /cannot be reached: .*--data PATH.*Download MathVision/)
  process.env.HF_HUB_OFFLINE = 'TRUE'
  assert.match(
    await complaint(() => fetched('mathvision')),
    /its files are not in the cache, and HF_HUB_OFFLINE is set\. --data PATH reads files that you have\. Download MathVision: .*MathLLMs\/MathVision/,
  )
  delete process.env.HF_HUB_OFFLINE
})

test.after(() => {
  server.closeAllConnections()
  server.close()
})

test.run()

/** All files below a folder, in order. */
function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

function under(name: string): Record<string, Buffer> {
  const folder = join(golden, name)
  return Object.fromEntries(files(folder).map(path => [path, readFileSync(join(folder, path))]))
}
