/**
 * The gradient of a step as one ONNX graph: forward, backward, gradients added up over micro-batches; in the run that
 * ends the step, also the norm of the gradient. On the CPU a run is one micro-batch, whose gradient is added to the sums
 * where they lie. On a GPU, where weights cross to the device with every run, a Loop goes over all micro-batches of a run.
 * What then moves the weights is update.ts, on the CPU; steps.ts puts that into the graph, too.
 *
 * Inputs   θ under its own name, `sum/θ` (gradients so far), the flat arrays of micro.ts, `last` (bool)
 * Outputs  `next/sum/θ`, `loss`, `logprob`, `norm` (0 unless last)
 */

import { added } from '../autodiff/added.ts'
import { lower } from '../autodiff/lower.ts'
import { gradients } from '../autodiff/reverse.ts'
import { Graph, type Tensor } from '../graph/ir.ts'
import { order } from '../graph/order.ts'
import { globalNorm } from './adamw.ts'
import { type Fit, forward, type Parts } from './forward.ts'
import { cut, declare, type Micro, type Reading, type Sizes } from './micro.ts'

/** A tensor that is trained. */
export interface Trained {
  name: string
  /** Its value at the start of the run; where it lies, or its bytes. */
  start: Tensor
  /** Whether weight decay applies. */
  decays: boolean
}

export interface StepOptions {
  /** How the model reads; text alone where absent. */
  reading?: Reading
  fit?: Fit
  /** Whether a run goes over several micro-batches: on a GPU. */
  loop?: boolean
  /** Sizes of the micro-batch: makes a graph that tells its memory and is not to be run. */
  sizes?: Sizes
}

/** Matrices decay; norms, biases and other vectors do not (nor do learnt positions of a tower, as in most recipes). */
export const decays = (name: string, shape: number[]): boolean =>
  shape.length > 1 && !/norm|bias|position_embedding/i.test(name)

export function buildStep(parts: Parts, trained: Trained[], options: StepOptions = {}): Graph {
  const g = new Graph('step')
  for (const kind of ['', 'sum/']) for (const { name, start } of trained) g.input(kind + name, 'float32', start.shape)
  declare(g, options.reading ?? {})
  const last = g.input('last', 'bool', [])
  const { sums, loss, logprob } = options.loop ? all(g, parts, trained, options) : once(g, parts, trained, options)
  trained.forEach(({ name }, i) => {
    g.output(sums[i], `next/sum/${name}`)
  })
  g.output(loss, 'loss')
  g.output(logprob, 'logprob')
  g.output(normIf(g, last, trained), 'norm')
  order(g)
  lower(g)
  return g
}

/** Σ over micro-batches. */
interface Sums {
  /** Gradients, one a tensor. */
  sums: string[]
  loss: string
  logprob: string
}

/** One micro-batch. */
function once(g: Graph, parts: Parts, trained: Trained[], { reading = {}, fit, sizes }: StepOptions): Sums {
  return gradientOf(g, parts, trained, cut(g, g.ints(0), reading, sizes), fit, name => `sum/${name}`)
}

/** Appends a micro-batch to `body`: its loss and log-probability, and its gradients added to `sum`. */
function gradientOf(
  body: Graph,
  parts: Parts,
  trained: Trained[],
  micro: Micro,
  fit: Fit | undefined,
  sum: (name: string) => string,
): Sums {
  const { loss, logprob } = forward(body, parts, micro, fit)
  const made = gradients(body, loss, trained.map(({ name }) => name)) // biome-ignore format: one thought
  const makers = body.producers()
  return { sums: trained.map(({ name }) => added(body, sum(name), made.get(name)!, makers)), loss, logprob }
}

/** All micro-batches that there are. */
function all(g: Graph, parts: Parts, trained: Trained[], options: StepOptions): Sums {
  const count = g.op('Squeeze', [g.op('Shape', ['micro.table'], { start: 0, end: 1 }), g.ints([0])])
  const starts = trained.map(({ name }) => `sum/${name}`)
  return overAll(g, parts, trained, options, { count, starts, zero: g.scalar(0) })
}

/** What a Loop over micro-batches goes over (int64 scalars; from 0 where `first` is absent), and where its sums start. */
interface Range {
  first?: string
  count: string
  starts: string[]
  zero: string
}

/** A Loop over micro-batches: gradients of θ, loss and log-probability, each summed. θ are values of `g` or around it. */
export function overAll(
  g: Graph,
  parts: Parts,
  trained: Trained[],
  { reading = {}, fit }: StepOptions,
  { first, count, starts, zero }: Range,
): Sums {
  const body = new Graph('micro', g)
  const index = body.input('micro/index', 'int64', [])
  const go = body.input('micro/go', 'bool', [])
  for (const { name, start } of trained) body.input(`micro/sum/${name}`, 'float32', start.shape)
  const [lossSoFar, logprobSoFar] = ['loss', 'logprob'].map(name => body.input(`micro/${name}`, 'float32', []))
  const micro = cut(body, first ? body.op('Add', [first, index]) : index, reading)
  const made = gradientOf(body, parts, trained, micro, fit, name => `micro/sum/${name}`)
  body.output(body.op('Identity', [go]))
  for (const sum of made.sums) body.output(sum)
  body.output(body.op('Add', [lossSoFar, made.loss]))
  body.output(body.op('Add', [logprobSoFar, made.logprob]))
  order(body)

  const outputs = g.many('Loop', [count, '', ...starts, zero, zero], trained.length + 2, { body })
  return { sums: outputs.slice(0, trained.length), loss: outputs[trained.length], logprob: outputs[trained.length + 1] }
}

/** The norm of the sums under `If last`, else 0. */
function normIf(g: Graph, last: string, trained: Trained[]): string {
  const norm = new Graph('norm', g)
  norm.output(globalNorm(norm, trained.map(({ name }) => `next/sum/${name}`))) // biome-ignore format: one thought
  const skip = new Graph('skip', g)
  skip.output(skip.op('Identity', [skip.scalar(0)]))
  return g.op('If', [last], { then_branch: norm, else_branch: skip })
}
