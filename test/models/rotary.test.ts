/** Rotary frequencies against Hugging Face's (fixtures/golden/make_text.py), and configs that are refused. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type RopeSettings, ropeOf } from '../../src/models/builders/rotary.ts'
import { model } from '../../src/models/builders/text.ts'
import { createFolder, shapesOf } from '../../src/models/create.ts'
import { goldenPath, scratch } from './tiny.ts'

const test = suite('models: rotary positions')

interface Row {
  rope_parameters: RopeSettings & { rope_theta: number; rope_type: string }
  max_position_embeddings: number
  frequencies: number[]
  scale: number
}
const rows = JSON.parse(readFileSync(new URL('../../fixtures/golden/rope.json', import.meta.url), 'utf8')) as Row[]

test('frequencies and factors are those of Hugging Face', () => {
  assert.ok(rows.length >= 5)
  for (const { frequencies, scale, ...config } of rows) {
    const { rope_theta, rope_type, ...rest } = config.rope_parameters
    // as transformers 5 writes them, and as those before did
    const older = { rope_theta, rope_scaling: { type: rope_type, ...rest }, max_position_embeddings: 8192 }
    for (const form of [config, older]) {
      const rope = ropeOf(form, 16)
      assert.ok(Math.abs(rope.scale - scale) < 1e-6, `${rope_type}: ${rope.scale}, expected ${scale}`)
      frequencies.forEach((expected, i) => {
        const error = Math.abs(rope.frequencies[i] / expected - 1)
        assert.ok(error < 1e-5, `${rope_type} ${i}: ${rope.frequencies[i]}, expected ${expected}`)
      })
    }
  }
})

const configOf = (name: string) => JSON.parse(readFileSync(join(goldenPath(name), 'config.json'), 'utf8'))
const complaint = (config: object) => {
  try {
    shapesOf(config as never)
  } catch (error) {
    assert.is((error as Error).name, 'UserError')
    return (error as Error).message
  }
  return ''
}

test('what a config asks for and we have not is said', () => {
  const llama = configOf('llama')
  const rope = (settings: object) => complaint({ ...llama, rope_parameters: { rope_theta: 1e4, ...settings } })
  assert.match(rope({ rope_type: 'longrope' }), /rope type longrope is not supported; expected .* llama3, yarn/)
  assert.match(rope({ rope_type: 'linear' }), /linear without a number at factor/)
  assert.match(rope({ partial_rotary_factor: 0.5 }), /partial_rotary_factor 0\.5/)
  const qwen = configOf('qwen3')
  const windowed = { ...qwen, use_sliding_window: true, sliding_window: 16, layer_types: null, max_window_layers: 1 }
  assert.match(complaint(windowed), /sliding_window 16 of 64 positions/)
  assert.is(complaint({ ...windowed, max_window_layers: 2 }), '')
  assert.is(complaint({ ...windowed, sliding_window: 64 }), '')
  assert.is(complaint({ ...windowed, use_sliding_window: false }), '')
  assert.match(complaint({ ...qwen, layer_types: ['full_attention', 'linear_attention'] }), /linear_attention/)
})

test('what configs leave out has the value that Hugging Face gives it', () => {
  for (const [name, tied] of [
    ['smollm3', true],
    ['qwen3', false],
    ['llama', false],
  ] as const) {
    const { tie_word_embeddings, ...config } = configOf(name)
    assert.is(shapesOf(config).has('lm_head.weight'), !tied, name)
  }
  const { no_rope_layers, ...smollm3 } = configOf('smollm3')
  const rotations = ({ no_rope_layers }: Record<string, unknown>) =>
    model({ ...smollm3, no_rope_layers }, { find: (_, shape) => ({ dtype: 'float32', shape, file: '', offset: 0, length: 0 }), compute: 'float32' })
      .nodes.filter(({ op, attrs }) => op === 'Split' && attrs.num_outputs === 2).length // biome-ignore format: one thought
  assert.equal([rotations({}), rotations({ no_rope_layers: [1, 1, 1] })], [2, 3])
})

test('a new folder of every architecture has the tensors that its checkpoint has', async () => {
  const { openCheckpoint } = await import('../../src/models/safetensors.ts')
  for (const name of ['qwen3', 'llama', 'smollm3', 'internlm2']) {
    const out = join(scratch(), name)
    await createFolder(out, configOf(name), {}, { seed: 1 })
    const [ours, theirs] = await Promise.all([out, goldenPath(name)].map(openCheckpoint))
    const shapes = (held: typeof ours) => [...held!.tensors].map(([key, { shape }]) => `${key} ${shape}`).sort()
    assert.equal(shapes(ours), shapes(theirs))
  }
})

test.run()
