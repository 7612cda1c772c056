/** Exports by the Hub's tools (fixtures/golden/make_exports.py), laid out as folders. */

import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { partsOf } from '../../src/generate/forward.ts'
import { openRunner } from '../../src/generate/runner.ts'
import { schedule, shapeFor } from '../../src/generate/scheduler.ts'
import { type Message, openChat } from '../../src/models/chat.ts'
import { type FolderOptions, openFolder } from '../../src/models/folder.ts'
import { goldenPath } from './tiny.ts'

export const exportsPath = goldenPath('../exports')

/** An export in a folder of its own in `dir`, with what the tools copy beside it. */
export function laid(name: string, dir: string): string {
  const out = join(dir, name)
  mkdirSync(out, { recursive: true })
  cpSync(join(exportsPath, name), out, { recursive: true })
  const files = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']
  if (name === 'optimum') files.push('config.json')
  for (const file of files) cpSync(join(goldenPath('qwen2'), file), join(out, file))
  return out
}

/** Greedy answers to chats as the engine makes them, in this process. Chats of one list run as one padded batch. */
export async function answers(model: string, chats: Message[][], options: FolderOptions & { maxTokens: number }) {
  const folder = await openFolder(model, options)
  const chat = await openChat(folder)
  const runner = openRunner(await partsOf(folder), folder.eos, { temperature: 0, topP: 1 }, { threads: 1, folder: folder.onnx }) // biome-ignore format: one thought
  const work = await Promise.all(
    chats.map(async (turns, i) => ({
      prompt: await chat.encode(turns, [], { generation: true }),
      same: String(i),
      budget: options.maxTokens,
      draw: () => 0,
    })),
  )
  const made: { text: string; logprob: number }[] = []
  for await (const { tokens, logprob } of schedule(
    work,
    runner,
    folder.eos,
    { ...shapeFor('cuda', 8), steps: 4 },
    () => false,
  )) {
    made.push({ text: chat.decode(tokens.filter(id => !folder.eos.includes(id))), logprob })
  }
  await runner.close()
  return made
}
