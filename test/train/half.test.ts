/** Products in half precision: gradients near those of single precision, the loss scaled where halves have few exponents. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Graph, type Node } from '../../src/graph/ir.ts'
import type { Compute } from '../../src/models/builders/index.ts'
import type { Fit } from '../../src/train/forward.ts'
import { freshScaler, overflowed } from '../../src/train/scaler.ts'
import { inSingle } from '../../src/train/single.ts'
import { freshState } from '../../src/train/state.ts'
import { buildStep } from '../../src/train/step.ts'
import { ADAMW, adapted, copied, counting, openTiny, type Tiny, tiny, weighed } from './tiny.ts'

const test = suite('train: half precision')

const sequences = (sees: boolean) => weighed([counting(1, 13, 3, sees), counting(4, 9, 2, sees), counting(8, 12, 5), counting(2, 5, 1)]) // biome-ignore format: one thought

/** Weights rounded to halves are what both precisions start from. */
function model(kind: 'text' | 'sees' | 'LoRA', compute: Compute, stored: Compute = compute): Tiny {
  const made = tiny(kind === 'LoRA' ? 'text' : kind, 1, { compute, stored })
  if (kind !== 'LoRA') {
    const names = new Set(made.trained.map(({ name }) => name))
    return { ...made, parts: Object.fromEntries(Object.entries(made.parts).map(([name, part]) => [name, inSingle(part, names)])) } // biome-ignore format: one thought
  }
  return adapted(made)
}

async function gradientOf(tiny: Tiny, sees: boolean, fit: Fit = {}, loop = false) {
  const state = freshState(tiny.trained, copied(tiny), true)
  const trainer = await openTiny(tiny, { ...ADAMW, clip: 0, fit, loop }, state)
  const { loss, gradNorm, skipped } = (await trainer.step([sequences(sees)], 0))!
  const gradients = new Map([...trainer.state.first].map(([name, { data }]) => [name, data as Float32Array]))
  await trainer.close()
  return { loss, gradNorm, skipped, gradients }
}

const norm = (values: Float32Array) => Math.hypot(...values)
const ways: Record<string, Fit> = { 'at once': { rows: 999 }, 'in blocks': { rows: 7, queries: () => 5, recompute: true } } // biome-ignore format: one thought

for (const kind of ['text', 'sees', 'LoRA'] as const) {
  const sees = kind === 'sees'
  const whole = gradientOf(model(kind, 'float32', 'float16'), sees)
  for (const [way, fit] of Object.entries(ways)) {
    for (const stored of ['float16', 'float32', 'bfloat16'] as const)
      test(`${kind}, ${way}: gradients in float16 over ${stored}, scaled, are those of single precision`, async () => {
        const expected = stored === 'float16' ? await whole : await gradientOf(model(kind, 'float32', stored), sees)
        const made = await gradientOf(model(kind, 'float16', stored), sees, fit)
        assert.not.ok(made.skipped)
        assert.ok(Math.abs(made.loss - expected.loss) < 2e-3 * expected.loss, `${made.loss} ${expected.loss}`)
        assert.ok(Math.abs(made.gradNorm - expected.gradNorm) < 2e-2 * expected.gradNorm)
        for (const [name, gradient] of made.gradients) {
          const truth = expected.gradients.get(name)!
          const error = norm(gradient.map((g, i) => g - truth[i])) / (norm(truth) + 1e-3 * expected.gradNorm)
          assert.ok(error < 2e-2, `${name}: relative error ${error}`)
        }
      })
  }
}

test('training in float16 reaches the loss of single precision', async () => {
  const ends: number[] = []
  for (const compute of ['float32', 'float16'] as const) {
    const tiny = model('text', compute, 'float16')
    const trainer = await openTiny(tiny, ADAMW, freshState(tiny.trained, copied(tiny), compute === 'float16'))
    for (let i = 0; i < 40; i++) ends.push((await trainer.step([sequences(false)], 0.02))!.loss)
    await trainer.close()
  }
  const [single, half] = [ends[39], ends[79]]
  assert.ok(single < 0.5 * ends[0] && Math.abs(half - single) < 0.1 * single, `${single} ${half}`)
})

test('a gradient that overflows skips the step and halves the scale, until it fits', async () => {
  const tiny = model('text', 'float16')
  const state = { ...freshState(tiny.trained, copied(tiny)), scaler: freshScaler(2 ** 30) }
  const trainer = await openTiny(tiny, ADAMW, state)
  const bits = () => [...state.weights, ...state.first, ...state.second].map(([, { data }]) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')) // biome-ignore format: one thought
  const before = bits()
  let skipped = 0
  for (;;) {
    const result = (await trainer.step([sequences(false)], 0.02))!
    assert.ok(Number.isFinite(result.loss))
    if (!result.skipped) break
    assert.equal(bits(), before)
    assert.is(state.scaler.scale, 2 ** (30 - ++skipped))
  }
  assert.ok(skipped > 2, `${skipped}`)
  assert.equal([state.step, state.scaler.skipped, state.scaler.good], [skipped + 1, skipped, 1])
  assert.not.equal(bits(), before)
  // AdamW's first update is its first: without moments, each element moves by lr.
  const name = tiny.trained.map(({ name }) => name).find(name => name.endsWith('q_proj.weight'))!
  const [data, start] = [state.weights, tiny.values].map(held => held.get(name)!.data as Float32Array)
  const moves = [...data].map((value, i) => Math.abs(value - start[i]))
  assert.ok(Math.max(...moves) < 0.0205 && Math.max(...moves) > 0.019, `${Math.max(...moves)}`)
  await trainer.close()
})

test('a scale of 1 is the last: then the model is at fault', () => {
  const scaler = freshScaler(2)
  assert.is(overflowed(scaler), true)
  assert.is(overflowed(scaler), false)
  assert.equal(scaler, { scale: 1, good: 0, skipped: 1 })
})

test('a loss that is no number is no overflow of the gradient', async () => {
  const tiny = model('text', 'float16')
  ;(tiny.values.get('model.norm.weight')!.data as Float32Array)[0] = Number.NaN
  const trainer = await openTiny(tiny, ADAMW, freshState(tiny.trained, copied(tiny), true))
  const { skipped, loss } = (await trainer.step([sequences(false)], 0.02))!
  assert.equal([skipped, Number.isNaN(loss), trainer.state.step], [false, true, 0])
  await trainer.close()
})

for (const compute of ['float16', 'bfloat16'] as const) {
  for (const kind of ['text', 'sees', 'LoRA'] as const) {
    for (const [way, fit] of Object.entries(ways))
      for (const loop of [false, true])
        test(`${compute}, ${kind}, ${way}${loop ? ', in a loop' : ''}: products are in halves, and no operator mixes dtypes`, () => {
          const { parts, trained } = model(kind, compute)
          const inputs = [{ name: 'pixel_values', dtype: 'float32' as const, shape: ['images', 3, 8, 8] }]
          const reading = kind === 'sees' ? { eyes: { inputs, token: 22, blank: {} } } : {}
          const step = buildStep(parts, trained, { fit, loop, reading })
          const all = everything(step)
          for (const [graph, node] of all) sameDtypes(graph, node)
          const products = all.filter(([, { op }]) => /^(MatMul|FusedMatMul|Gemm|Conv)$/.test(op))
          const single = products.filter(([graph, { outputs }]) => graph.type(outputs[0]).dtype !== compute)
          // The sum of weighted log-probabilities and its gradient are products, too.
          assert.is(single.length, 2)
          for (const [graph, { outputs }] of single) assert.is(graph.shape(outputs[0])!.at(-1), 1)
          for (const { name } of trained) assert.is(step.type(`next/sum/${name}`).dtype, 'float32')
          const ofHalves = all.filter(([graph, { inputs, outputs }]) => [...inputs, ...outputs].some(value => value && graph.type(value).dtype === compute)) // biome-ignore format: one thought
          assert.equal(
            [...new Set(ofHalves.map(([, { op }]) => op))].filter(
              op => !CUDA.has(op) && !(op === 'Pad' && compute === 'float16'),
            ),
            [],
          )
        })
  }
}

function everything(graph: Graph): [Graph, Node][] {
  return graph.nodes.flatMap(node => [
    [graph, node] as [Graph, Node],
    ...Object.values(node.attrs).flatMap(attr => (attr instanceof Graph ? everything(attr) : [])),
  ])
}

/** What ONNX Runtime's CUDA provider has kernels for in bfloat16 (docs/OperatorKernels.md), at our operator set. */
const CUDA = new Set(
  (
    'Add Cast Concat ConstantOfShape Div Erf Exp Expand FusedMatMul Gather GatherElements GatherND Gelu Gemm Identity If ' +
    'Loop MatMul Mul Neg Pow ReduceSum Reshape ScatterND Shape Sigmoid Size Slice Softmax Split Sqrt Squeeze Sub Sum ' +
    'Tanh Tile Transpose Unsqueeze Where'
  ).split(' '),
)

const MIXED = new Set(['Cast', 'Loop', 'If', 'CastLike'])

/** What ONNX asks of an operator: floats of one dtype, and an output of it; of a Loop that what it carries keeps its own. */
function sameDtypes(graph: Graph, { op, name, inputs, outputs, attrs }: Node): void {
  const types = (values: string[], of = graph) => values.map(value => of.type(value).dtype)
  const { body, then_branch, else_branch } = attrs as Record<string, Graph>
  if (op === 'Loop') {
    const carried = types(inputs.slice(2))
    assert.equal(types(body.inputs.slice(2), body), carried, name)
    assert.equal(types(body.outputs.slice(1, 1 + carried.length), body), carried, name)
    assert.equal(types(outputs), types(body.outputs.slice(1), body), name)
  }
  if (op === 'If')
    for (const branch of [then_branch, else_branch]) assert.equal(types(branch.outputs, branch), types(outputs), name)
  if (MIXED.has(op)) return
  const floats = [...inputs, ...outputs.slice(0, 1)].filter(Boolean).map(value => graph.type(value).dtype).filter(dtype => /float/.test(dtype)) // biome-ignore format: one thought
  assert.ok(new Set(floats).size <= 1, `${op} ${name}: ${floats}`)
}

test.run()
