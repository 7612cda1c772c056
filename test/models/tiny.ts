/** Goldens of Hugging Face (fixtures/golden/make_models.py), and a model folder run graph by graph against them. */

import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { type HostTensor, openSession, type Session } from '../../src/graph/session.ts'
import type { Message } from '../../src/models/chat.ts'
import type { ModelFolder } from '../../src/models/folder.ts'
import { loadTensor, readSafetensors } from '../../src/models/safetensors.ts'

export const goldenPath = (name: string) =>
  fileURLToPath(new URL(`../../fixtures/golden/models/${name}`, import.meta.url))

export interface Case {
  messages: Message[][]
  images?: string[][]
  texts: string[]
  /** Without padding. */
  ids: number[][]
  greedy: number[][]
  greedy_text: string[]
}

export async function golden(name: string) {
  const path = goldenPath(name)
  const cases = JSON.parse(await readFile(join(path, 'golden.json'), 'utf8')) as Record<string, Case>
  const { folder, tensors } = await readSafetensors(join(path, 'golden.safetensors'))
  const tensor = (key: string) => loadTensor(tensors.get(key)!, folder)
  const inputs = async (key: string) => ({
    ids: await tensor(`${key}.input_ids`),
    mask: await tensor(`${key}.attention_mask`),
    ...(tensors.has(`${key}.pixel_values`) && { pixels: await tensor(`${key}.pixel_values`) }),
  })
  const picture = (file: string) => readFile(join(path, file))
  return { path, cases, tensor, inputs, picture, names: [...tensors.keys()] }
}

/** Message of the UserError that `work` ends in. */
export async function complaint(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
  } catch (error) {
    assert.is((error as Error).name, 'UserError', String((error as Error).stack))
    return (error as Error).message
  }
  throw new Error('expected a UserError')
}

/** A folder for one test file, removed when the process ends. */
export function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'sophia-models-'))
  if (scratches.length === 0)
    process.on('exit', () => {
      for (const each of scratches) rmSync(each, { recursive: true, force: true })
    })
  scratches.push(path)
  return path
}

const scratches: string[] = []

export interface Inputs {
  ids: HostTensor
  mask: HostTensor
  pixels?: HostTensor
}

/** A model as its graphs, with the merging of pictures done here, by hand. */
export class Runner {
  private readonly sessions = new Map<string, Session>()
  constructor(private readonly folder: ModelFolder) {}

  /** @param past from an earlier call; then `ids` are the new tokens only and `mask` covers all */
  async run({ ids, mask, pixels }: Inputs, past?: Record<string, HostTensor>): Promise<Record<string, HostTensor>> {
    const { decoder } = this.folder
    const [batch, length] = ids.shape
    const total = mask.shape[1]
    const positions = new BigInt64Array(batch * length)
    for (let b = 0; b < batch; b++) {
      let seen = -1n
      for (let t = 0; t < total; t++) {
        seen += BigInt((mask.data as BigInt64Array)[b * total + t])
        if (t >= total - length) positions[b * length + t - (total - length)] = seen < 0n ? 0n : seen
      }
    }
    const feeds: Record<string, HostTensor> = {
      attention_mask: mask,
      position_ids: { dtype: 'int64', shape: [batch, length], data: positions },
    }
    for (let i = 0; i < decoder.layers; i++) {
      for (const kind of ['key', 'value']) {
        const shape = [batch, decoder.kvHeads, 0, decoder.headDim]
        feeds[`past_key_values.${i}.${kind}`] = past?.[`present.${i}.${kind}`] ?? {
          dtype: 'float32',
          shape,
          data: new Float32Array(),
        }
      }
    }
    if (this.folder.kind === 'lm') return (await this.session('model')).run({ ...feeds, input_ids: ids })
    const { inputs_embeds } = await (await this.session('embed_tokens')).run({ input_ids: ids })
    if (pixels) {
      const { image_features } = await (await this.session('vision_encoder')).run({ pixel_values: pixels })
      let at = 0
      for (const [i, id] of (ids.data as BigInt64Array).entries()) {
        if (Number(id) !== this.folder.imageToken) continue
        const row = (image_features.data as Float32Array).subarray(at, at + decoder.hidden)
        ;(inputs_embeds.data as Float32Array).set(row, i * decoder.hidden)
        at += decoder.hidden
      }
    }
    return (await this.session('decoder_model_merged')).run({ ...feeds, inputs_embeds })
  }

  private async session(name: string): Promise<Session> {
    const open =
      this.sessions.get(name) ??
      (await openSession(await this.folder.graph(name), { folder: this.folder.onnx, threads: 1 }))
    this.sessions.set(name, open)
    return open
  }
}

/** The greatest difference where the mask is 1. `a` and `b`: (B, T, V) */
export function apart(a: HostTensor, b: HostTensor, mask: HostTensor): number {
  if (a.shape.join() !== b.shape.join()) return Number.NaN
  const width = a.shape.at(-1)!
  let most = 0
  for (const [i, real] of (mask.data as BigInt64Array).entries()) {
    if (!real) continue
    for (let v = i * width; v < (i + 1) * width; v++)
      most = Math.max(most, Math.abs(Number(a.data[v]) - Number(b.data[v])))
  }
  return most
}
