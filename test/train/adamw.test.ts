import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { adamwStep, clipFactor, corrections, globalNorm } from '../../src/train/adamw.ts'

const test = suite('train: AdamW')

/** Made by fixtures/golden/make_train.py with PyTorch. */
const golden = JSON.parse(readFileSync('fixtures/golden/train.json', 'utf8'))
const names = ['matrix', 'vector']
const shapes: Record<string, number[]> = { matrix: [4, 3], vector: [3] }

const tensor = (name: string, values: unknown): HostTensor => ({
  dtype: 'float32',
  shape: shapes[name],
  data: Float32Array.from((values as number[]).flat(2)),
})
const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) })

test('three steps with clipping end where PyTorch ends', async () => {
  const { betas, eps: epsilon, weight_decay: weightDecay, clip, lr } = golden.settings
  const g = new Graph('update')
  const input = (name: string, shape: number[]) => g.input(name, 'float32', shape)
  const pace = { lr: input('lr', []), correction1: input('correction1', []), correction2: input('correction2', []) }
  const decay = (name: string) => g.scalar(name === 'matrix' ? weightDecay : 0)
  for (const name of names) for (const kind of ['w', 'g', 'm', 'v']) input(`${kind}/${name}`, shapes[name])
  const norm = globalNorm(g, names.map(name => `g/${name}`)) // biome-ignore format: one thought
  const factor = clipFactor(g, norm, clip)
  g.output(norm, 'norm')
  for (const name of names) {
    const state = { weight: `w/${name}`, gradient: `g/${name}`, first: `m/${name}`, second: `v/${name}` }
    const made = adamwStep(g, state, factor, { ...pace, decay: decay(name) }, { betas, epsilon, weightDecay })
    g.output(made.weight, `next w/${name}`)
    g.output(made.first, `next m/${name}`)
    g.output(made.second, `next v/${name}`)
  }
  const session = await openSession(modelOf(g))
  const state: Record<string, HostTensor> = {}
  for (const name of names) {
    state[`w/${name}`] = tensor(name, golden.start[name])
    for (const kind of ['m', 'v']) state[`${kind}/${name}`] = tensor(name, Array(name === 'matrix' ? 12 : 3).fill(0))
  }
  for (const [i, step] of golden.steps.entries()) {
    const { correction1, correction2 } = corrections(betas, i + 1)
    const given = Object.fromEntries(names.map(name => [`g/${name}`, tensor(name, step.gradients[name])]))
    const scalars = { lr: scalar(lr[i]), correction1: scalar(correction1), correction2: scalar(correction2) }
    const made = await session.run({ ...state, ...given, ...scalars })
    assert.ok(Math.abs(Number(made.norm.data[0]) - step.norm) < 1e-5 * step.norm)
    for (const key of Object.keys(state)) state[key] = made[`next ${key}`]
    for (const name of names) {
      const expected = (step.weights[name] as number[]).flat(2)
      for (const [at, value] of Array.from(state[`w/${name}`].data, Number).entries())
        assert.ok(Math.abs(value - expected[at]) < 1e-6, `step ${i + 1}, ${name}[${at}]: ${value}, ${expected[at]}`)
    }
  }
  await session.close()
})

test.run()
