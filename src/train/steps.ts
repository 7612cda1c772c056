/**
 * Several optimizer steps as one ONNX graph, for a device that weights must cross to: a Loop over steps whose carried
 * state is θ and AdamW's two moments. Its body goes over the micro-batches of its step (step.ts), clips the gradient and
 * moves the state; only what comes out of the last step crosses back. A step whose loss or gradient is no number moves
 * nothing and is the last: what then is to be done (a smaller scale, or giving up) is the host's to decide.
 *
 * Inputs   `from/θ`, `from/first/θ`, `from/second/θ`, the flat arrays of micro.ts for all steps;
 *          `starts` (S+1), each step's first micro-batch, and the end of all; `pace` (S, 6), see PACE
 * Outputs  `next/θ`, `next/first/θ`, `next/second/θ`; `told` (S, 3): loss, logprob and norm of each step, 0 of steps
 *          that were not come to
 */

import { lower } from '../autodiff/lower.ts'
import { DTYPE_CODES, Graph } from '../graph/ir.ts'
import { order } from '../graph/order.ts'
import { adamwStep, globalNorm, type Pace } from './adamw.ts'
import type { Parts } from './forward.ts'
import { declare } from './micro.ts'
import { overAll, type StepOptions, type Trained } from './step.ts'
import type { UpdateOptions } from './update.ts'

/** Prefixes of what is carried: weights under their own names, and their moments. */
export const CARRIED = ['', 'first/', 'second/'] as const

/** What a step's row of `pace` holds: `paceOf` with the factor that undoes the scale of the loss, and that factor. */
export const PACE: (keyof Pace | 'unscale')[] = ['first', 'second', 'epsilon', 'rate', 'keep', 'unscale']

export function buildSteps(parts: Parts, trained: Trained[], update: UpdateOptions, options: StepOptions = {}): Graph {
  const g = new Graph('steps')
  const carried = CARRIED.flatMap(kind => trained.map(({ name, start }) => ({ name: kind + name, shape: start.shape })))
  for (const { name, shape } of carried) g.input(`from/${name}`, 'float32', shape)
  declare(g, options.reading ?? {})
  g.input('starts', 'int64', ['steps and the end'])
  g.input('pace', 'float64', ['steps', PACE.length])

  const body = new Graph('step', g)
  const index = body.input('step/index', 'int64', [])
  body.input('step/go', 'bool', [])
  for (const { name, shape } of carried) body.input(name, 'float32', shape)
  const pace = paceAt(body, index)
  const made = gradientAt(body, index, parts, trained, options, pace)
  const norm = globalNorm(body, made.sums)
  const numbers = body.op('And', [isNumber(body, made.loss), isNumber(body, norm)])
  body.output(numbers)
  for (const value of moved(body, numbers, trained, made.sums, clipped(body, norm, pace, update.clip), update))
    body.output(value)
  const told = [made.loss, made.logprob, norm].map(value => body.op('Unsqueeze', [value, body.ints([0])]))
  body.output(body.op('Concat', told, { axis: 0 })) // (3,)
  order(body)

  const steps = g.op('Shape', ['pace'], { start: 0, end: 1 })
  const count = g.op('Squeeze', [steps, g.ints([0])])
  const from = carried.map(({ name }) => `from/${name}`)
  const outputs = g.many('Loop', [count, '', ...from], carried.length + 1, { body })
  carried.forEach(({ name }, i) => {
    g.output(outputs[i], `next/${name}`)
  })
  // Filled up, for the host gives memory of a fixed size.
  const rest = g.op('Expand', [g.scalar(0), g.op('Concat', [steps, g.ints([3])], { axis: 0 })])
  const filled = g.op('Concat', [outputs.at(-1)!, rest], { axis: 0 })
  g.output(g.op('Slice', [filled, g.ints([0]), steps, g.ints([0])]), 'told')
  order(g)
  lower(g)
  return g
}

type Scalars = Record<(typeof PACE)[number], string>

/** The scalars of step `index`. */
function paceAt(body: Graph, index: string): Scalars {
  const row = body.op('Gather', ['pace', index]) // (6,)
  return Object.fromEntries(PACE.map((name, i) => [name, body.op('Gather', [row, body.ints(i)])])) as Scalars
}

/** Gradients, loss and log-probability of step `index`. */
function gradientAt(
  body: Graph,
  index: string,
  parts: Parts,
  trained: Trained[],
  options: StepOptions,
  { unscale }: Scalars,
) {
  const [first, end] = [index, body.op('Add', [index, body.ints(1)])].map(at => body.op('Gather', ['starts', at]))
  // Made of what comes in: constants as large as all weights would be held for good.
  const zero = body.op('Cast', [body.op('Mul', [unscale, body.scalar(0, 'float64')])], { to: DTYPE_CODES.float32 })
  const starts = trained.map(({ start }) => body.op('Expand', [zero, body.ints(start.shape)]))
  return overAll(body, parts, trained, options, { first, count: body.op('Sub', [end, first]), starts, zero })
}

/** |x| < ∞, which is false where x is no number. */
const isNumber = (body: Graph, value: string) =>
  body.op('Less', [body.op('Abs', [value]), body.scalar(Number.POSITIVE_INFINITY)])

/** The pace of a gradient of norm `norm`, brought down to `clip` (clipFactor); in double precision until it is all done, as with the host. */
function clipped(body: Graph, norm: string, pace: Scalars, clip: number): Scalars {
  const mul = (a: string, b: string) => body.op('Mul', [a, b])
  const made = { ...pace }
  if (clip > 0) {
    const real = (value: number) => body.scalar(value, 'float64')
    const length = mul(body.op('Cast', [norm], { to: DTYPE_CODES.float64 }), pace.unscale)
    const factor = body.op('Min', [body.op('Div', [real(clip), body.op('Add', [length, real(1e-6)])]), real(1)])
    Object.assign(made, { first: mul(pace.first, factor), second: mul(pace.second, mul(factor, factor)) })
  }
  for (const name of PACE) made[name] = body.op('Cast', [made[name]], { to: DTYPE_CODES.float32 })
  return made
}

/** The carried state after the step: moved if `numbers`, else as it was. */
function moved(
  body: Graph,
  numbers: string,
  trained: Trained[],
  sums: string[],
  pace: Scalars,
  update: UpdateOptions,
): string[] {
  const [moves, stays] = ['moves', 'stays'].map(name => new Graph(name, body))
  const next = trained.map(({ name, decays }, i) => {
    const state = { weight: name, gradient: sums[i], first: `first/${name}`, second: `second/${name}` }
    return adamwStep(moves, state, decays ? pace : { ...pace, keep: moves.scalar(1) }, update)
  })
  for (const kind of ['weight', 'first', 'second'] as const) for (const each of next) moves.output(each[kind])
  for (const kind of CARRIED) for (const { name } of trained) stays.output(stays.op('Identity', [kind + name]))
  return body.many('If', [numbers], 3 * trained.length, { then_branch: moves, else_branch: stays })
}
