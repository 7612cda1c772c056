import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { globalNorm } from '../../src/train/adamw.ts'
import { driftOf } from '../../src/train/drift.ts'
import { momentFile } from '../../src/train/moments.ts'
import { Updater } from '../../src/train/update.ts'

const test = suite('train: AdamW')

/** Made by fixtures/golden/make_train.py with PyTorch. */
const golden = JSON.parse(readFileSync('fixtures/golden/train.json', 'utf8'))
const names = ['matrix', 'vector']
const shapes: Record<string, number[]> = { matrix: [4, 3], vector: [3] }

const floats = (values: unknown) => Float32Array.from((values as number[]).flat(2))

for (const where of ['memory', 'a file'])
  test(`three steps with clipping end where PyTorch ends, moments in ${where}`, async () => {
    const { betas, eps: epsilon, weight_decay: weightDecay, clip, lr } = golden.settings
    const updater = await Updater.open({ betas, epsilon, weightDecay, clip })
    const tensors = names.map(name => {
      const weight = floats(golden.start[name])
      const start = { dtype: 'float32' as const, shape: shapes[name], data: new Uint8Array(weight.slice().buffer) }
      const [gradient, first, second] = [0, 0, 0].map(() => new Float32Array(weight.length))
      return { name, start, decays: name === 'matrix', weight, gradient, first, second }
    })
    const folder = mkdtempSync(join(tmpdir(), 'sophia-moments-'))
    const file = await momentFile(join(folder, 'moments'), names.map(name => ({ name, shape: shapes[name] }))) // biome-ignore format: one thought
    const slots = tensors.map(tensor => (where === 'memory' ? tensor : { ...tensor, first: file.first.get(tensor.name)!, second: file.second.get(tensor.name)! })) // biome-ignore format: one thought
    for (const [i, step] of golden.steps.entries()) {
      for (const { name, gradient } of tensors) gradient.set(floats(step.gradients[name]))
      const norm = await normOf(tensors.map(({ gradient }) => gradient))
      assert.ok(Math.abs(norm - step.norm) < 1e-5 * step.norm)
      await updater.step(i + 1, lr[i], norm, slots)
      const drift = await driftOf(tensors, '')
      let [moved, from] = [0, 0]
      for (const { name, weight } of tensors) {
        const [start, expected] = [floats(golden.start[name]), floats(step.weights[name])]
        for (const [at, value] of weight.entries()) {
          assert.ok(Math.abs(value - expected[at]) < 1e-6, `step ${i + 1}, ${name}[${at}]: ${value}, ${expected[at]}`)
          moved += (expected[at] - start[at]) ** 2
          from += start[at] ** 2
        }
      }
      assert.ok(Math.abs(drift - Math.sqrt(moved / from)) < 1e-5 * drift)
    }
    await updater.close()
    await file.close()
    rmSync(folder, { recursive: true })
  })

async function normOf(gradients: Float32Array[]): Promise<number> {
  const g = new Graph('norm')
  g.output(globalNorm(g, gradients.map((data, i) => g.input(`${i}`, 'float32', [data.length]))), 'norm') // biome-ignore format: one thought
  const session = await openSession(modelOf(g))
  const feeds = gradients.map((data, i): [string, HostTensor] => [`${i}`, { dtype: 'float32', shape: [data.length], data }]) // biome-ignore format: one thought
  const { norm } = await session.run(Object.fromEntries(feeds))
  await session.close()
  return Number(norm.data[0])
}

test.run()
