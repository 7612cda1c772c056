/** What makes activations fit into memory changes no gradient: blocks of the likelihood, of attention, and recomputed layers. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph } from '../../src/graph/ir.ts'
import type { Fit } from '../../src/train/forward.ts'
import { buildStep } from '../../src/train/step.ts'
import { ADAMW, adapted, counting, openTiny, type Tiny, tiny, VOCABULARY, weighed } from './tiny.ts'

const test = suite('train: fitting into memory')

const sequences = (sees: boolean) => weighed([counting(1, 13, 3, sees), counting(4, 9, 2, sees), counting(8, 12, 5), counting(2, 5, 1)]) // biome-ignore format: one thought

async function gradientOf(model: Tiny, sees: boolean, fit: Fit) {
  const trainer = await openTiny(model, { ...ADAMW, clip: 0, fit })
  const { loss, logprob } = (await trainer.step([sequences(sees)], 0))!
  const gradients = new Map([...trainer.state.first].map(([name, { data }]) => [name, data as Float32Array]))
  await trainer.close()
  return { loss, logprob, gradients }
}

const all: Fit = { rows: 999 }
const ways: Record<string, Fit> = {
  'likelihood in blocks': { rows: 5 },
  'attention in blocks': { queries: () => 4 },
  'layers recomputed': { recompute: true },
  'all three': { rows: 7, queries: () => 5, recompute: true },
}
const models = { text: () => tiny('text'), sees: () => tiny('sees'), LoRA: () => adapted(tiny('text')) }

for (const [kind, make] of Object.entries(models)) {
  const plain = gradientOf(make(), kind === 'sees', all)
  for (const [way, fit] of Object.entries(ways)) {
    test(`${kind}: ${way}`, async () => {
      const [expected, made] = [await plain, await gradientOf(make(), kind === 'sees', fit)]
      assert.ok(Math.abs(made.loss - expected.loss) < 1e-6 * Math.abs(expected.loss))
      assert.ok(Math.abs(made.logprob - expected.logprob) < 1e-6 * Math.abs(expected.logprob))
      for (const [name, gradient] of made.gradients) {
        const truth = expected.gradients.get(name)!
        const error = Math.hypot(...gradient.map((g, i) => g - truth[i])) / (Math.hypot(...truth) + 1e-5)
        assert.ok(error < 1e-5, `${name}: relative error ${error}`)
      }
    })
  }
}

const within = (graph: Graph): Graph[] =>
  graph.nodes.flatMap(({ attrs }) => Object.values(attrs).flatMap(a => (a instanceof Graph ? [a, ...within(a)] : [])))
const made = (graph: Graph, op: string, size: string) =>
  graph.nodes.filter(node => node.op === op && String(graph.shape(node.outputs[0])?.at(-1)) === size)

test('a frozen vocabulary is gone through once, forwards and backwards in one pass', () => {
  const { parts, trained } = adapted(tiny('text'))
  const step = buildStep(parts, trained)
  const heads = within(step).filter(({ nodes }) => nodes.some(({ op }) => op === 'LogSoftmax'))
  assert.is(heads.length, 1)
  assert.not.ok(step.nodes.some(({ op }) => op === 'LogSoftmax'))
  assert.ok(
    heads[0].nodes.some(({ op }) => op === 'ScatterElements'),
    'the gradient is made there',
  )
})

test('the gradient of a trained vocabulary is made slice by slice, and no Loop carries it', () => {
  const { parts, trained } = tiny('text')
  const step = buildStep(parts, trained)
  const loops = step.nodes.filter(({ op }) => op === 'Loop')
  const sizes = loops.map(({ attrs }) => attrs.body as Graph).map(body => body.inputs.map(input => body.shape(input)))
  assert.ok(loops.length > 1)
  for (const carried of sizes) assert.not.ok(carried.some(shape => shape?.length === 2 && shape[0] === VOCABULARY))
  const slices = within(step).filter(body => made(body, 'Exp', String(VOCABULARY)).length > 0)
  assert.is(slices.length, 2, 'forwards by rows, backwards by slices (one, for this vocabulary is small)')
})

test.run()
