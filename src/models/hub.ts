/**
 * From a Hub id to a folder: lists the repository, fetches what a model folder needs into the cache, a file at a time,
 * each as `.part` and renamed when whole; a download that was cut is taken up where it stopped.
 *   SOPHIA_CACHE  the cache (default ~/.cache/sophia)      HF_ENDPOINT  another Hub      HF_TOKEN  for gated models
 */

import { createWriteStream, existsSync, statSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import { UserError } from '../errors.ts'

export interface HubOptions {
  /** Variant of the graphs (fp16, q4, …); without one those that have no suffix are fetched. */
  dtype?: string
  /** A branch, a tag or a commit. */
  revision?: string
}

/** owner/name as the Hub has them, each part starting with a letter or digit. */
const ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/

const endpoint = () => (process.env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/+$/, '')
const cache = () => process.env.SOPHIA_CACHE ?? join(homedir(), '.cache', 'sophia')

/** The folder of a model: a path that exists, or a Hub id, fetched where the cache lacks it. */
export async function resolveModel(idOrPath: string, options: HubOptions = {}): Promise<string> {
  if (existsSync(idOrPath)) {
    if (statSync(idOrPath).isDirectory()) return idOrPath
    throw new UserError(`${idOrPath}: expected a model folder (config.json, onnx/, tokenizer.json), got a file`)
  }
  if (!ID.test(idOrPath)) {
    throw new UserError(`${idOrPath}: no such folder. Give a model folder, or a Hub id as owner/name`)
  }
  const revision = options.revision ?? 'main'
  const folder = join(cache(), ...idOrPath.split('/'), revision.replaceAll('/', '--'))
  const done = join(folder, `.complete${options.dtype ? `-${options.dtype}` : ''}`)
  if (existsSync(done)) return folder
  await alone(folder, async () => {
    if (existsSync(done)) return // another process fetched it while we waited
    const { sha, files } = await list(idOrPath, revision)
    // Python's exporters put the graphs beside the configs.
    const place = files.some(name => name.startsWith('onnx/') || name.endsWith('.safetensors')) ? 'onnx/' : ''
    const names = files.filter(name => wanted(name, place, options.dtype))
    if (!names.some(name => /^(genai_)?config\.json$/.test(name)))
      throw new UserError(`${idOrPath}: the Hub's repository has no config.json`)
    const hasGraphs = names.some(name => name.endsWith('.onnx'))
    for (const name of names) {
      if (hasGraphs && name.includes('.safetensors')) continue // the graphs bring their own weights
      await download(`${endpoint()}/${idOrPath}/resolve/${sha}/${name}`, join(folder, name), sha)
    }
    await writeFile(done, `${sha}\n`)
  })
  return folder
}

/** One process fetches, the others of the pipe wait. A lock whose owner has died is taken over. */
async function alone(folder: string, work: () => Promise<void>): Promise<void> {
  await mkdir(folder, { recursive: true })
  const lock = join(folder, '.lock')
  for (;;) {
    const mine = await writeFile(lock, String(process.pid), { flag: 'wx' }).then(
      () => true,
      () => false,
    )
    if (mine) break
    const owner = Number(await readFile(lock, 'utf8').catch(() => '0'))
    if (owner > 0 && !alive(owner)) await rm(lock, { force: true })
    else await setTimeout(200)
  }
  try {
    await work()
  } finally {
    await rm(lock, { force: true })
  }
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Configs, tokenizer, processor, graphs of one variant with their data, weights. */
function wanted(name: string, place: string, dtype: string | undefined): boolean {
  if (/^[\w.-]+\.(json|jinja)$/.test(name) || /^model(-\d+-of-\d+)?\.safetensors$/.test(name)) return true
  const suffix = !dtype || dtype === 'fp32' ? '' : dtype === 'q8' ? '_quantized' : `_${dtype}`
  return new RegExp(
    `^${place}(vision_encoder|embed_tokens|decoder_model_merged|model)${suffix}\\.onnx([._]data(_\\d+)?)?$`,
  ).test(name)
}

/** The commit that `revision` means now, and the files in it. */
async function list(id: string, revision: string): Promise<{ sha: string; files: string[] }> {
  const response = await request(`${endpoint()}/api/models/${id}/revision/${encodeURIComponent(revision)}`, id)
  const { sha, siblings } = (await response.json()) as { sha?: string; siblings?: { rfilename: string }[] }
  // A name from the network becomes a path: none may leave the folder.
  const files = (siblings ?? []).map(({ rfilename }) => rfilename).filter(name => !name.split('/').includes('..'))
  return { sha: sha && /^[0-9a-f]+$/.test(sha) ? sha : encodeURIComponent(revision), files }
}

/** Fetches one file, from where an earlier try stopped. */
async function download(url: string, path: string, sha: string): Promise<void> {
  if (existsSync(path)) return
  await mkdir(dirname(path), { recursive: true })
  const part = `${path}.${sha.slice(0, 12)}.part` // another commit's half is no help
  const held = existsSync(part) ? statSync(part).size : 0
  let response = await request(url, path, held ? { Range: `bytes=${held}-` } : {})
  if (response.status === 416) {
    await rm(part) // nothing lies behind what we hold: it is not this file's beginning
    response = await request(url, path)
  }
  const flags = response.status === 206 ? 'a' : 'w'
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(part, { flags })).catch((error: Error) => {
    throw new UserError(`${url}: the download broke off (${error.message}). The same command takes it up again.`)
  })
  await rename(part, path)
}

async function request(url: string, subject: string, headers: Record<string, string> = {}): Promise<Response> {
  const token = process.env.HF_TOKEN
  const authorized = token ? { ...headers, Authorization: `Bearer ${token}` } : headers
  const response = await fetch(url, { headers: authorized }).catch((error: Error) => {
    const cause = (error.cause as Error | undefined)?.message ?? error.message
    throw new UserError(
      `${subject}: no such folder, and the Hub (${endpoint()}) cannot be reached: ${cause}. Give the path of a model folder.`,
    )
  })
  if (response.ok || response.status === 416) return response
  if (response.status === 401 || response.status === 403) {
    throw new UserError(
      `${subject}: the Hub refuses it (${response.status}): no such model, or a gated one: set HF_TOKEN`,
    )
  }
  throw new UserError(`${subject}: no such folder, and the Hub answers ${response.status} for ${url}`)
}
