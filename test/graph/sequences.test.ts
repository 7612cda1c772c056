/** Graphs with sequences of tensors, on Qwen2-VL's tower as it is exported: the same numbers from ONNX Runtime however it is copied. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { requireRules } from '../../src/autodiff/reverse.ts'
import { decided } from '../../src/graph/branches.ts'
import { copyOf } from '../../src/graph/copy.ts'
import { inline } from '../../src/graph/inline.ts'
import { Graph } from '../../src/graph/ir.ts'
import { modelOf, readModel, writeModel } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'
import { upgraded } from '../../src/graph/upgrade.ts'
import { beside } from '../../src/models/lora.ts'
import { laidVision } from '../models/exports.ts'
import { complaint, golden, scratch } from '../models/tiny.ts'

const test = suite('graph: sequences')
const file = readFileSync(join(await laidVision('qwen2_vl', 'qwen2_vl', scratch()), 'onnx', 'vision_encoder.onnx'))
const tower = upgraded(readModel(file)).graph

/** The tower in the body of a Loop that runs once, as the subgraph of a subgraph. */
function inside(): Graph {
  const g = new Graph('outer')
  const [pixels, grid] = tower.inputs.map(name => g.input(name, tower.type(name).dtype, tower.shape(name)!))
  const body = new Graph('body', g)
  body.input('i', 'int64', [])
  body.input('go', 'bool', [])
  const { image_features } = inline(body, tower, { pixel_values: pixels, grid_thw: grid }, 'in/')
  body.output(body.op('Identity', ['go']))
  body.output(image_features)
  const stacked = g.op('Loop', [g.ints(1), ''], { body })
  g.output(g.op('Squeeze', [stacked, g.ints([0])]), 'image_features')
  return g
}

const WAYS: Record<string, () => Graph> = {
  'read and written': () => readModel(writeModel(modelOf(tower))).graph,
  copied: () => copyOf(tower, (g, node) => g.add(node)),
  'with branches taken': () => decided(tower),
  'with adapters looked for': () => beside(tower, () => undefined),
  'in a Loop': inside,
}

for (const [way, make] of Object.entries(WAYS)) {
  test(way, async () => {
    const { tensor } = await golden('qwen2_vl')
    const pixels = await tensor('one.pixel_values')
    const feeds = { pixel_values: pixels, grid_thw: await tensor('one.grid_thw') }
    const outputs = []
    for (const model of [file, modelOf(make())]) {
      const session = await openSession(model, { threads: 1 })
      outputs.push((await session.run(feeds)).image_features)
      await session.close()
    }
    const [theirs, ours] = outputs
    assert.equal(ours.shape, theirs.shape)
    const apart = (theirs.data as Float32Array).reduce((most, x, i) => Math.max(most, Math.abs(x - Number(ours.data[i]))), 0) // biome-ignore format: one thought
    assert.ok(apart < 1e-5, `features differ by ${apart}`)
  })
}

test('no gradient goes through sequences of integers; through a Loop of floats it would have to, and that is named', async () => {
  const weights = [...tower.initializers.keys()].filter(name => /weight|bias/.test(name))
  requireRules(decided(tower), weights)
  const g = inside()
  assert.match(await complaint(async () => requireRules(g, weights)), /no rule for Loop \(first met at node Loop_\d+\)/)
})

test.run()
