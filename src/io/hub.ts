/**
 * From a repository of the Hub to a folder in the cache: lists it, fetches what is chosen, a file at a time, each as
 * `.part` and renamed when whole; a download that was cut is taken up where it stopped. What is worth fetching is for
 * the floors above to say: models/hub.ts, benchmarks/hub.ts.
 *   SOPHIA_CACHE    the cache (default ~/.cache/sophia)    HF_ENDPOINT  another Hub
 *   HF_HUB_OFFLINE  1: never ask the Hub                   HF_TOKEN     for what is gated
 */
import { createWriteStream, existsSync, statSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import { UserError } from '../errors.ts'

/** owner/name as the Hub has them, each part starting with a letter or digit. */
export const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/

export interface Repository {
  kind: 'models' | 'datasets'
  id: string
  /** A branch, a tag or a commit (default main). */
  revision?: string
  /** For messages: why the Hub is asked at all, and what to do where it does not answer. */
  because: string
  instead: string
}

export interface HubFile {
  name: string
  /** In bytes, where the Hub says it. */
  size?: number
}

export interface Choice {
  /** Tells apart what is chosen of one repository: whoever chose the same before has it whole. */
  mark: string
  /**
   * What to fetch, of all that is there; `read` fetches a small file at once.
   *
   * @throws UserError where the repository is not what was hoped for
   */
  choose: (files: HubFile[], read: (file: HubFile) => Promise<string>) => HubFile[] | Promise<HubFile[]>
  /** What is left to do before the folder counts as whole. */
  finish?: (folder: string, names: string[]) => Promise<void>
}

const endpoint = () => (process.env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/+$/, '')
const cache = () => process.env.SOPHIA_CACHE ?? join(homedir(), '.cache', 'sophia')
const offline = () => /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? '')

/** The folder in the cache with the chosen files of `repository`, fetched where it lacks them. @throws UserError */
export async function fetchRepository(repository: Repository, { mark, choose, finish }: Choice): Promise<string> {
  const { kind, id, revision = 'main' } = repository
  const owned = [...id.split('/'), revision.replaceAll('/', '--')]
  const folder = join(cache(), ...(kind === 'models' ? [] : [kind]), ...owned)
  const done = join(folder, `.complete${mark}`)
  if (existsSync(done)) return folder
  if (offline()) throw new UserError(`${id}: ${repository.because}, and HF_HUB_OFFLINE is set. ${repository.instead}`)
  await alone(folder, async () => {
    if (existsSync(done)) return // another process fetched it while we waited
    const { sha, files } = await list(repository, revision)
    const from = `${endpoint()}/${kind === 'models' ? '' : `${kind}/`}${id}/resolve/${sha}`
    const fetch = (file: HubFile) => download(file, `${from}/${encoded(file.name)}`, folder, sha, repository)
    const read = async (file: HubFile) => {
      await fetch(file)
      return readFile(join(folder, file.name), 'utf8')
    }
    const chosen = await choose(files, read)
    for (const file of chosen) await fetch(file)
    await finish?.(
      folder,
      chosen.map(({ name }) => name),
    )
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

/** The commit that `revision` means now, and the files in it: a model's in one answer, a data set's tree by pages. */
async function list(repository: Repository, revision: string): Promise<{ sha: string; files: HubFile[] }> {
  const api = `${endpoint()}/api/${repository.kind}/${repository.id}`
  const { held } = await ask<{ sha?: string; siblings?: { rfilename: string }[] }>(
    `${api}/revision/${encodeURIComponent(revision)}`,
    repository,
  )
  const sha = held.sha && /^[0-9a-f]+$/.test(held.sha) ? held.sha : encodeURIComponent(revision)
  const files: HubFile[] =
    repository.kind === 'models'
      ? (held.siblings ?? []).map(({ rfilename }) => ({ name: rfilename }))
      : await tree(`${api}/tree/${sha}`, repository)
  // A name from the network becomes a path: none may leave the folder.
  return { sha, files: files.filter(({ name }) => !name.split(/[/\\]/).includes('..') && !/^([/\\]|\w:)/.test(name)) }
}

/** All files below a folder of a repository. The Hub's pages point to the next one in their Link header. */
async function tree(url: string, repository: Repository): Promise<HubFile[]> {
  const files: HubFile[] = []
  let query: string | undefined = 'recursive=true'
  while (query !== undefined) {
    const page: { held: { type: string; path: string; size?: number }[]; link: string | null } = await ask(
      `${url}?${query}`,
      repository,
    )
    for (const { type, path, size } of page.held) if (type === 'file') files.push({ name: path, size })
    const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(page.link ?? '')?.[1]
    // Only what it asks for: where to ask, and with whose token, is not for an answer to say.
    const follows: string | undefined = next && new URL(next, url).search.slice(1)
    query = follows === query ? undefined : follows || undefined
  }
  return files
}

async function ask<T>(url: string, repository: Repository): Promise<{ held: T; link: string | null }> {
  const response = await request(url, repository)
  const held = await response.json().catch((error: Error) => {
    throw new UserError(`${url}: expected JSON from the Hub, got: ${error.message}`)
  })
  return { held: held as T, link: response.headers.get('link') }
}

const encoded = (name: string) => name.split('/').map(encodeURIComponent).join('/')

/** Fetches one file into `folder`, from where an earlier try stopped. */
async function download(
  { name, size }: HubFile,
  url: string,
  folder: string,
  sha: string,
  repository: Repository,
): Promise<void> {
  const path = join(folder, name)
  if (existsSync(path)) return
  await mkdir(dirname(path), { recursive: true })
  const part = `${path}.${sha.slice(0, 12)}.part` // another commit's half is no help
  const held = existsSync(part) ? statSync(part).size : 0
  let response = await request(url, repository, held ? { Range: `bytes=${held}-` } : {})
  if (response.status === 416) {
    await rm(part) // nothing lies behind what we hold: it is not this file's beginning
    response = await request(url, repository)
  }
  const flags = response.status === 206 ? 'a' : 'w'
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(part, { flags })).catch((error: Error) => {
    throw new UserError(`${url}: the download broke off (${error.message}). The same command takes it up again.`)
  })
  const came = statSync(part).size
  if (size !== undefined && came !== size) {
    await rm(part)
    throw new UserError(`${url}: expected ${size} bytes, got ${came}. Try again`)
  }
  await rename(part, path)
}

async function request(url: string, repository: Repository, headers: Record<string, string> = {}): Promise<Response> {
  const { kind, id, because, instead } = repository
  const token = process.env.HF_TOKEN
  const authorized = token ? { ...headers, Authorization: `Bearer ${token}` } : headers
  const response = await fetch(url, { headers: authorized }).catch((error: Error) => {
    const cause = (error.cause as Error | undefined)?.message ?? error.message
    throw new UserError(`${id}: ${because}, and the Hub (${endpoint()}) cannot be reached: ${cause}. ${instead}`)
  })
  if (response.ok || response.status === 416) return response
  if (response.status === 401 || response.status === 403) {
    const noun = kind === 'models' ? 'model' : 'data set'
    throw new UserError(`${id}: the Hub refuses it (${response.status}): no such ${noun}, or a gated one: set HF_TOKEN`)
  }
  throw new UserError(`${id}: ${because}, and the Hub answers ${response.status} for ${url}. ${instead}`)
}
