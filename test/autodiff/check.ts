/**
 * The one check behind every rule: the derivative along a random direction, by finite differences of the forward
 * graph, against the inner product of that direction with the gradient that `gradients` builds. Fourth-order
 * differences in float32, summed in float64.
 */

import * as assert from 'uvu/assert'
import { lower } from '../../src/autodiff/lower.ts'
import { gradients } from '../../src/autodiff/reverse.ts'
import { type Attribute, type DType, Graph } from '../../src/graph/ir.ts'
import { modelOf } from '../../src/graph/proto.ts'
import { type HostTensor, openSession } from '../../src/graph/session.ts'
import { stream } from '../../src/random.ts'

export interface Input {
  shape: number[]
  dtype: DType
  /** Draws one element from a uniform number in [0, 1); `i` is its position. */
  draw: (u: number, i: number, size: number) => number
  /** Whether the gradient is asked for. */
  differentiable: boolean
}

export interface Case {
  inputs: Input[]
  attrs?: Record<string, Attribute>
  /** How the operator is put in a graph; by default, a node with one output. */
  build?: (graph: Graph, x: string[]) => string | string[]
  /** Checked with known sizes only, for the operator needs them. */
  staticOnly?: boolean
}

const input = (shape: number[], draw: Input['draw'], dtype: DType = 'float32'): Input => ({
  shape,
  dtype,
  draw,
  differentiable: dtype === 'float32',
})
/** Uniform in (−1.5, 1.5). */
export const any = (...shape: number[]) => input(shape, u => 3 * u - 1.5)
/** Positive, away from 0. */
export const positive = (...shape: number[]) => input(shape, u => 0.5 + u)
/** At least 0.2 away from 0, for kinks there. */
export const nonzero = (...shape: number[]) => input(shape, u => (u < 0.5 ? -0.2 - 2 * u : 2 * u - 0.8))
/** All elements at least 0.2 apart and from 0. */
export const distinct = (...shape: number[]) =>
  input(shape, (u, i, size) => 0.4 * (((i * 7 + 3) % (7 * size)) % size) - 0.2 * size + 0.25 + 0.05 * u)
/** Given integers. */
export const ints = (values: number[], shape = [values.length]) => input(shape, (_, i) => values[i], 'int64')
export const bools = (shape: number[]) => input(shape, u => (u < 0.5 ? 0 : 1), 'bool')
/** The same values, but no gradient is asked for. */
export const fixed = (of: Input): Input => ({ ...of, differentiable: false })

const H = 0.02

/** Throws where a gradient of the case has another shape than its input or does not match finite differences. */
export async function check(label: string, op: string, { inputs, attrs, build, staticOnly }: Case): Promise<void> {
  const make = build ?? ((graph, x) => graph.op(op, x, attrs))
  const values = inputs.map((each, i) => drawn(each, `${label}/${i}`))
  const forward = await opened(graph => [make(graph, inputs.map((each, i) => graph.input(`x${i}`, each.dtype, each.shape)))].flat()) // biome-ignore format: one thought
  const feeds = Object.fromEntries(values.map((value, i) => [`x${i}`, value]))
  const outputs = await forward.run(feeds)
  const weights = forward.outputs.map((name, i) => drawn(any(...outputs[name].shape), `${label}/weight/${i}`))
  for (const symbolic of staticOnly ? [false] : [false, true]) {
    const dims = (shape: number[], name: string) => (symbolic ? shape.map((_, i) => `${name}.${i}`) : shape)
    const asked = inputs.flatMap((each, i) => (each.differentiable ? [`x${i}`] : []))
    const backward = await opened(graph => {
      const x = inputs.map((each, i) => graph.input(`x${i}`, each.dtype, each.dtype === 'int64' ? each.shape : dims(each.shape, `x${i}`))) // biome-ignore format: one thought
      const y = [make(graph, x)].flat()
      const parts = y.map((output, i) => {
        const weight = graph.input(`w${i}`, 'float32', dims(weights[i].shape, `w${i}`))
        return graph.op('ReduceSum', [graph.op('Mul', [output, weight])], { keepdims: 0 })
      })
      return [...gradients(graph, parts.length > 1 ? graph.op('Sum', parts) : parts[0], asked).values()]
    })
    const made = await backward.run({ ...feeds, ...Object.fromEntries(weights.map((w, i) => [`w${i}`, w])) })
    for (const [k, name] of asked.entries()) {
      const gradient = made[backward.outputs[k]]
      const where = `${label}: gradient of ${name}${symbolic ? ', symbolic sizes' : ''}`
      assert.equal(gradient.shape, feeds[name].shape, where)
      const direction = drawn(any(...gradient.shape), `${label}/direction/${name}`)
      const along = async (step: number) => {
        const moved = { ...feeds[name], data: Float32Array.from(feeds[name].data as Float32Array, (v, i) => v + step * Number(direction.data[i])) } // biome-ignore format: one thought
        const out = await forward.run({ ...feeds, [name]: moved })
        return forward.outputs.reduce((total, output, i) => total + dot(out[output], weights[i]), 0)
      }
      const [a, b, c, d] = [await along(-2 * H), await along(-H), await along(H), await along(2 * H)]
      const numeric = (8 * (c - b) - (d - a)) / (12 * H)
      const analytic = dot(gradient, direction)
      const scale = Math.max(Math.abs(numeric), Math.abs(analytic), 0.2 * Math.sqrt(dot(gradient, gradient)), 0.1)
      const error = Math.abs(numeric - analytic) / scale
      if (process.env.SHOW) console.log(where, numeric, analytic, error)
      assert.ok(error < 5e-4, `${where}: ${analytic} by the rule, ${numeric} by differences`)
    }
    await backward.close()
  }
  await forward.close()
}

/** A session on a new graph that gives the values that `build` returns. */
async function opened(build: (graph: Graph) => string[]) {
  const graph = new Graph('check')
  for (const value of build(graph)) graph.output(value, graph.fresh('out'))
  lower(graph)
  return openSession(modelOf(graph), { threads: 1, optimization: 'basic' })
}

export function drawn({ shape, dtype, draw }: Input, key: string): HostTensor {
  const next = stream(1, key)
  const size = shape.reduce((a, b) => a * b, 1)
  const values = Array.from({ length: size }, (_, i) => draw(next(), i, size))
  const data =
    dtype === 'int64'
      ? BigInt64Array.from(values, BigInt)
      : dtype === 'bool'
        ? Uint8Array.from(values)
        : Float32Array.from(values)
  return { dtype, shape, data }
}

const dot = (a: HostTensor, b: HostTensor) =>
  (a.data as Float32Array).reduce((total, value, i) => total + value * Number(b.data[i]), 0)
