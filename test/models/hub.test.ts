/** Models by Hub id, against a Hub of our own on this machine: what is fetched, what a cut leaves, what is refused. */

import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { convert } from '../../src/models/convert.ts'
import { openFolder } from '../../src/models/folder.ts'
import { resolveModel } from '../../src/models/hub.ts'
import { older } from './older.ts'
import { goldenPath, scratch } from './tiny.ts'

const test = suite('models: hub')
const SHA = '0123456789abcdef0123456789abcdef01234567'
const asked: string[] = []
/** Answers the next file with this many bytes only, and closes. */
let cut = 0
let tokenNeeded: string | undefined

const weights = await readFile(join(goldenPath('qwen2'), 'model.safetensors'))
const files: Record<string, Buffer> = {
  'model.safetensors': weights,
  'README.md': Buffer.from('# a model'),
  'pytorch_model.bin': Buffer.from('no'),
  '../outside.json': Buffer.from('{}'),
}
for (const name of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']) {
  files[name] = await readFile(join(goldenPath('qwen2'), name))
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const url = request.url!
  if (tokenNeeded && request.headers.authorization !== `Bearer ${tokenNeeded}`) return response.writeHead(401).end()
  if (url === '/api/models/tiny/qwen/revision/main') {
    return response.end(JSON.stringify({ sha: SHA, siblings: Object.keys(files).map(rfilename => ({ rfilename })) }))
  }
  const [, name] = /^\/tiny\/qwen\/resolve\/[0-9a-f]{40}\/(.*)$/.exec(url) ?? []
  if (!files[name]) return response.writeHead(404).end()
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  asked.push(from ? `${name} from ${from}` : name)
  const rest = files[name].subarray(from)
  response.writeHead(from ? 206 : 200, { 'content-length': rest.length })
  if (cut > 0 && name === 'model.safetensors') {
    response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 50))
    cut = 0
  } else response.end(rest)
})
await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready))
const { port } = server.address() as AddressInfo

const fresh = () => {
  process.env.HF_ENDPOINT = `http://127.0.0.1:${port}/`
  process.env.SOPHIA_CACHE = scratch()
  asked.length = 0
  return join(process.env.SOPHIA_CACHE, 'tiny', 'qwen', 'main')
}

async function complaint(work: () => Promise<unknown>): Promise<string> {
  const error = await work().then(
    () => undefined,
    (reason: Error) => reason,
  )
  assert.is(error?.name, 'UserError', String(error?.stack))
  return error!.message
}

test('fetches what a folder needs, once', async () => {
  const path = fresh()
  const folder = await openFolder('tiny/qwen')
  assert.is(folder.path, path)
  assert.equal(asked.sort(), [
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  assert.equal(await readFile(join(path, 'model.safetensors')), weights)
  assert.not(existsSync(join(path, '..', 'outside.json')))
  process.env.HF_ENDPOINT = 'http://127.0.0.1:1' // from now on the cache has to do
  assert.is(await resolveModel('tiny/qwen'), path)
})

test('convert takes the checkpoint, though there are graphs', async () => {
  const path = fresh()
  files['onnx/model.onnx'] = Buffer.from('a graph')
  const out = join(path, '..', 'converted')
  await convert('tiny/qwen', out)
  delete files['onnx/model.onnx']
  assert.not(asked.some(name => name.startsWith('onnx/')))
  assert.equal(await readFile(join(out, 'model.safetensors')), weights)
  assert.ok(existsSync(join(out, 'onnx', 'model.onnx')))
})

test('an older tokenizer comes where there is no tokenizer.json, and one is made of it', async () => {
  const folder = await older('qwen2', join(fresh(), 'older'))
  const names = ['vocab.json', 'merges.txt', 'added_tokens.json', 'tokenizer_config.json']
  const kept = { ...files }
  for (const name of names) files[name] = await readFile(join(folder, name))
  try {
    await resolveModel('tiny/qwen')
    assert.not(asked.includes('merges.txt'))
    delete files['tokenizer.json']
    const path = fresh()
    const out = join(path, '..', 'converted')
    await convert('tiny/qwen', out)
    assert.ok(asked.includes('merges.txt'))
    const tokenizer = JSON.parse(await readFile(join(out, 'tokenizer.json'), 'utf8'))
    const golden = JSON.parse(kept['tokenizer.json'].toString())
    assert.equal([tokenizer.model.vocab, tokenizer.model.merges], [golden.model.vocab, golden.model.merges])
    assert.equal(tokenizer.added_tokens, golden.added_tokens)
  } finally {
    for (const name of names) delete files[name]
    Object.assign(files, kept)
  }
})

test('takes a broken download up where it stopped', async () => {
  const path = fresh()
  cut = 50_000
  assert.match(await complaint(() => resolveModel('tiny/qwen')), /broke off.*takes it up again/)
  assert.ok((await readdir(path)).includes(`model.safetensors.${SHA.slice(0, 12)}.part`))
  assert.not(existsSync(join(path, 'model.safetensors')))
  asked.length = 0
  await resolveModel('tiny/qwen')
  assert.ok(
    asked.some(name => name.startsWith('model.safetensors from ')),
    asked.join(),
  )
  assert.equal(await readFile(join(path, 'model.safetensors')), weights)
})

test('processes of one pipe fetch once; a dead one holds nobody up', async () => {
  const path = fresh()
  await Promise.all([resolveModel('tiny/qwen'), resolveModel('tiny/qwen'), resolveModel('tiny/qwen')])
  assert.is(asked.filter(name => name === 'config.json').length, 1)
  const other = fresh()
  assert.is.not(path, other)
  await mkdir(other, { recursive: true })
  await writeFile(join(other, '.lock'), '2147483646')
  await resolveModel('tiny/qwen')
  assert.ok(existsSync(join(other, 'config.json')))
})

test('HF_TOKEN opens gated models', async () => {
  fresh()
  tokenNeeded = 'secret'
  assert.match(await complaint(() => resolveModel('tiny/qwen')), /set HF_TOKEN/)
  process.env.HF_TOKEN = 'secret'
  await resolveModel('tiny/qwen')
  delete process.env.HF_TOKEN
  tokenNeeded = undefined
})

test('says what is wrong', async () => {
  fresh()
  assert.match(await complaint(() => resolveModel('tiny/other')), /no such folder, and the Hub answers 404/)
  assert.match(
    await complaint(() => resolveModel('./nowhere/at/all')),
    /no such folder\. Give a model folder, or a Hub id/,
  )
  process.env.HF_ENDPOINT = 'http://127.0.0.1:1'
  assert.match(await complaint(() => resolveModel('tiny/qwen')), /cannot be reached.*Give the path of a model folder/)
  process.env.HF_HUB_OFFLINE = '1'
  assert.match(
    await complaint(() => resolveModel('tiny/qwen')),
    /no such folder, and HF_HUB_OFFLINE is set\. Give the path of a model folder/,
  )
  delete process.env.HF_HUB_OFFLINE
})

test.after(() => {
  server.closeAllConnections()
  server.close()
})

test('graphs that lie beside the configs are fetched with their data', async () => {
  const folder = fresh()
  const { 'model.safetensors': kept, 'config.json': config, ...rest } = files
  delete files['model.safetensors']
  delete files['config.json']
  for (const name of ['genai_config.json', 'model.onnx', 'model.onnx.data'])
    files[name] = await readFile(join(goldenPath('../exports/genai-int4'), name))
  try {
    await resolveModel('tiny/qwen')
    assert.equal(asked.filter(name => /onnx|genai/.test(name)).sort(), [
      'genai_config.json',
      'model.onnx',
      'model.onnx.data',
    ])
    const { graph } = await (await openFolder(folder)).graph('model')
    assert.ok(graph.nodes.some(({ op }) => op === 'MatMulNBits'))
  } finally {
    for (const name of Object.keys(files)) delete files[name]
    Object.assign(files, { 'model.safetensors': kept, 'config.json': config, ...rest })
  }
})

test('of several variants those that the config names are fetched, and what there is where one lacks it', async () => {
  const { 'model.safetensors': kept, 'config.json': config, ...rest } = files
  const none = Buffer.from('')
  const lay = (dtype: unknown, names: string[]) => {
    files['config.json'] = Buffer.from(JSON.stringify({ model_type: 'llava', 'transformers.js_config': { dtype } }))
    for (const name of names) files[`onnx/${name}`] = none
  }
  const fetched = async (dtype?: string) => {
    fresh()
    await resolveModel('tiny/qwen', { dtype })
    return asked.filter(name => /onnx|safetensors/.test(name)).sort()
  }
  try {
    lay({ model: 'q4f16' }, ['model.onnx', 'model.onnx_data', 'model_q4f16.onnx', 'model_q4f16.onnx_data', 'model_q4f16.onnx_data_1', 'decoder_model_merged.onnx']) // biome-ignore format: one thought
    const four = ['onnx/model_q4f16.onnx', 'onnx/model_q4f16.onnx_data', 'onnx/model_q4f16.onnx_data_1']
    assert.equal(await fetched(), four)
    assert.equal(await fetched('fp32'), ['onnx/model.onnx', 'onnx/model.onnx_data'])
    lay(undefined, [])
    assert.equal(await fetched(), ['onnx/model.onnx', 'onnx/model.onnx_data'])
    for (const name of Object.keys(files)) if (name.startsWith('onnx/')) delete files[name]
    lay(undefined, ['decoder_model_merged.onnx', 'decoder_model_merged_q4.onnx', 'embed_tokens.onnx', 'embed_tokens_fp16.onnx', 'vision_encoder_fp16.onnx']) // biome-ignore format: one thought
    const mixed = ['onnx/decoder_model_merged_q4.onnx', 'onnx/embed_tokens.onnx', 'onnx/vision_encoder_fp16.onnx']
    assert.equal(await fetched('q4'), mixed)
  } finally {
    for (const name of Object.keys(files)) delete files[name]
    Object.assign(files, { 'model.safetensors': kept, 'config.json': config, ...rest })
  }
})

test.run()
