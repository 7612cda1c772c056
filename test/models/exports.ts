/** Exports by the Hub's tools (fixtures/golden/make_exports.py), laid out as folders. */

import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
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
