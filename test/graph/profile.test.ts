/** Profiles of sessions that open together, and the table that is made of them. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import { openProfile } from '../../src/graph/profile.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { openSession } from '../../src/graph/session.ts'

const test = suite('graph: profile')

test('sessions that open in the same second write profiles of their own', async () => {
  const graph = (op: string) => {
    const g = new Graph()
    g.output(g.op(op, [g.input('x', 'float32', [2])]), 'y')
    return modelOf(g)
  }
  const profile = openProfile()
  const sessions = await Promise.all(['Erf', 'Tanh', 'Sigmoid'].map(op => openSession(graph(op), { profile: profile.prefix }))) // biome-ignore format: one thought
  for (const session of sessions) await session.run({ x: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } }) // biome-ignore format: one thought
  await Promise.all(sessions.map(session => session.close()))
  const table = profile.table()
  for (const op of ['Erf', 'Tanh', 'Sigmoid']) assert.match(table, new RegExp(` ${op} `))
  assert.not.match(table, /on the CPU/, 'which is said of devices only')
})

test.run()
