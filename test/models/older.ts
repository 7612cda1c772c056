/** A golden checkpoint in the older form: its tokenizer.json taken apart into the files that slow tokenizers ship. */

import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { goldenPath } from './tiny.ts'

/** Copies the golden `name` to `out`, as InternVL3's repositories are laid out: no tokenizer.json, no chat template. */
export async function older(name: string, out: string): Promise<string> {
  await cp(goldenPath(name), out, { recursive: true })
  const read = async (file: string) => JSON.parse(await readFile(join(out, file), 'utf8'))
  const write = (file: string, held: unknown) =>
    writeFile(join(out, file), typeof held === 'string' ? held : JSON.stringify(held))
  const { model, added_tokens } = await read('tokenizer.json')
  const { chat_template, ...settings } = await read('tokenizer_config.json')
  const { eos_token_id, ...generation } = await read('generation_config.json')
  await rm(join(out, 'tokenizer.json'))
  await write('vocab.json', model.vocab)
  await write('merges.txt', `#version: 0.2\n${model.merges.map((pair: string[]) => `${pair.join(' ')}\n`).join('')}`)
  await write(
    'added_tokens.json',
    Object.fromEntries(added_tokens.map((token: { content: string; id: number }) => [token.content, token.id])),
  )
  await write('tokenizer_config.json', settings)
  await write('generation_config.json', { ...generation, eos_token_id: eos_token_id.at(-1) })
  return out
}
