/**
 * The training step as one ONNX graph. A Loop goes over the micro-batches (forward, backward, gradients added up); then,
 * if this run is the last of its step, the gradient is clipped and AdamW gives the new weights and moments. One run is
 * one step, or a slice of its micro-batches with the sums carried on to the next run.
 *
 * Inputs   θ under its own name, `first/θ`, `second/θ` (moments), `sum/θ` (gradients so far: all of it, or one zero),
 *          the flat arrays of micro.ts, `last` (bool), `lr`, `correction1`, `correction2`
 * Outputs  `next/θ`, `next/first/θ`, `next/second/θ`, `norm`, `drift` (empty unless last), `next/sum/θ`, `loss`, `logprob`
 */

import { lower } from '../autodiff/blocks.ts'
import { gradients } from '../autodiff/reverse.ts'
import { Graph, type Tensor } from '../graph/ir.ts'
import { prune } from '../graph/prune.ts'
import { type AdamW, adamwStep, clipFactor, globalNorm } from './adamw.ts'
import { type Fit, forward, type Parts } from './forward.ts'
import { cut, declare } from './micro.ts'

/** A tensor that is trained. */
export interface Trained {
  name: string
  /** Its value at the start of the run; where it lies, or its bytes. */
  start: Tensor
  /** Whether weight decay applies. */
  decays: boolean
}

export interface StepOptions extends AdamW {
  /** The greatest gradient norm; 0: no clipping. */
  clip: number
  /** (C, H, W) of a picture, for models that see. */
  picture?: number[]
  fit?: Fit
}

/** Matrices decay; norms, biases and other vectors do not (nor do learnt positions of a tower, as in most recipes). */
export const decays = (name: string, shape: number[]): boolean =>
  shape.length > 1 && !/norm|bias|position_embedding/i.test(name)

export function buildStep(parts: Parts, trained: Trained[], options: StepOptions): Graph {
  const g = new Graph('step')
  for (const { name, start } of trained) {
    g.input(name, 'float32', start.shape)
    for (const kind of ['first', 'second']) g.input(`${kind}/${name}`, 'float32', start.shape)
    g.input(`sum/${name}`, 'float32', start.shape.map((_, i) => `${name}.${i}`)) // biome-ignore format: one thought
  }
  declare(g, options.picture)
  const last = g.input('last', 'bool', [])
  const pace = {
    lr: g.input('lr', 'float32', []),
    correction1: g.input('correction1', 'float32', []),
    correction2: g.input('correction2', 'float32', []),
  }
  const { sums, loss, logprob } = accumulate(g, parts, trained, options)
  const ends = finish(g, last, trained, sums, pace, options)
  for (const [name, value] of Object.entries(ends)) g.output(value, name)
  trained.forEach(({ name }, i) => {
    g.output(sums[i], `next/sum/${name}`)
  })
  g.output(loss, 'loss')
  g.output(logprob, 'logprob')
  return g
}

/** The Loop over micro-batches: gradients of θ, loss and log-probability, each summed. */
function accumulate(g: Graph, parts: Parts, trained: Trained[], { picture, fit }: StepOptions) {
  const body = new Graph('micro', g)
  const index = body.input('micro/index', 'int64', [])
  const go = body.input('micro/go', 'bool', [])
  const carried = trained.map(({ name }) => body.input(`micro/sum/${name}`, 'float32', g.shape(`sum/${name}`)!))
  const [lossSoFar, logprobSoFar] = ['loss', 'logprob'].map(name => body.input(`micro/${name}`, 'float32', []))
  const { loss, logprob } = forward(body, parts, cut(body, index, picture), fit)
  const made = gradients(body, loss, trained.map(({ name }) => name)) // biome-ignore format: one thought
  body.output(body.op('Identity', [go]))
  trained.forEach(({ name }, i) => {
    const gradient = made.get(name)
    body.output(gradient ? body.op('Add', [carried[i], gradient]) : body.op('Identity', [carried[i]]))
  })
  body.output(body.op('Add', [lossSoFar, loss]))
  body.output(body.op('Add', [logprobSoFar, logprob]))
  prune(body)
  lower(body)

  const starts = trained.map(({ name }) => `sum/${name}`)
  const count = g.op('Squeeze', [g.op('Shape', ['micro.table'], { start: 0, end: 1 }), g.ints([0])])
  const zero = g.scalar(0)
  const outputs = g.many('Loop', [count, '', ...starts, zero, zero], trained.length + 2, { body })
  trained.forEach(({ start }, i) => {
    g.types.set(outputs[i], { dtype: 'float32', shape: start.shape })
  })
  return { sums: outputs.slice(0, trained.length), loss: outputs[trained.length], logprob: outputs[trained.length + 1] }
}

/** Clip and AdamW under `If last`; what is not made comes out empty. */
function finish(
  g: Graph,
  last: string,
  trained: Trained[],
  sums: string[],
  pace: { lr: string; correction1: string; correction2: string },
  options: StepOptions,
): Record<string, string> {
  const update = new Graph('update', g)
  const norm = globalNorm(update, sums)
  const factor = clipFactor(update, norm, options.clip)
  const made: Record<string, string> = { norm }
  trained.forEach(({ name, decays }, i) => {
    const state = { weight: name, gradient: sums[i], first: `first/${name}`, second: `second/${name}` }
    const next = adamwStep(update, state, factor, pace, options, decays)
    made[`next/${name}`] = next.weight
    made[`next/first/${name}`] = next.first
    made[`next/second/${name}`] = next.second
  })
  const origins = trained.map(({ name, start }) => g.weight(`start/${name}`, start))
  const moved = trained.map(({ name }, i) => update.op('Sub', [made[`next/${name}`], toFloat(update, origins[i])]))
  const from = globalNorm(update, origins.map(origin => toFloat(update, origin))) // biome-ignore format: one thought
  made.drift = update.op('Div', [globalNorm(update, moved), from])

  const skip = new Graph('skip', g)
  const names = Object.keys(made)
  for (const name of names) {
    update.output(made[name])
    skip.output(skip.op('ConstantOfShape', [skip.ints([0])]))
  }
  const outputs = g.many('If', [last], names.length, { then_branch: update, else_branch: skip })
  return Object.fromEntries(names.map((name, i) => [name, outputs[i]]))
}

/** Weights may be kept in half precision; they are trained in single. */
const toFloat = (g: Graph, value: string) =>
  g.type(value).dtype === 'float32' ? value : g.op('Cast', [value], { to: 1 })
