/**
 * Up to S tokens for a whole batch in one run: the decoder and the sampler as the body of an ONNX Loop. The cache from
 * before the burst stays in the scope around the Loop, where it costs no copies; what the burst adds is carried.
 */

import { Graph } from '../graph/ir.ts'
import { prune } from '../graph/prune.ts'
import { positionAxes } from '../models/pictures/pictures.ts'
import { cacheNames, forward, type Parts } from './forward.ts'
import { hoist } from './hoist.ts'
import { emptyCache, pastOf } from './prefill.ts'
import { type Choice, choose } from './sampler.ts'
import { splitCache } from './split.ts'

/** What a row that has ended emits. */
export const ENDED = -1

/**
 * steps (): iterations at most; last (B): the newest token, not yet in the cache; position (B): its position;
 * budget (B): new tokens that the row may still get; mask (B, P): which of the past is real;
 * past.i.{key,value} (B, KV, P, Dh); uniforms (S, B), unless greedy
 * → tokens (R, B), logprobs (R, B), recent.i.{key,value} (B, KV, R, Dh), R ≤ S. The Loop ends when all rows have.
 * A row ends with a stop token (which it emits) or with its budget; from then on it emits ENDED.
 */
export function buildBurst(parts: Parts, eos: number[], choice: Choice): Graph {
  const g = new Graph('burst')
  const steps = g.input('steps', 'int64', [])
  const last = g.input('last', 'int64', ['batch'])
  const position = g.input('position', 'int64', ['batch'])
  const budget = g.input('budget', 'int64', ['batch'])
  const mask = g.input('mask', 'int64', ['batch', 'past'])
  const uniforms = choice.temperature === 0 ? undefined : g.input('uniforms', 'float32', ['steps', 'batch'])
  const names = cacheNames(parts.decoder)
  const past = names.map((name, i) => {
    const { dtype, shape } = parts.decoder.type(name)
    return g.input(pastOf(i), dtype, ['batch', shape![1], 'past', shape![3]])
  })
  const empty = names.map(name => emptyCache(g, parts.decoder, name, last))
  const alive = g.op('Less', [budget, g.ints(1)]) // done before it began: no budget

  const body = new Graph('body', g)
  const i = body.input('i', 'int64', [])
  body.input('go', 'bool', [])
  const token = body.input('token', 'int64', ['batch'])
  const done = body.input('done', 'bool', ['batch'])
  const recent = empty.map((value, n) => {
    const { dtype, shape } = g.type(value)
    return body.input(`recent_${n}`, dtype, ['batch', shape![1], 'recent', shape![3]])
  })
  const made = step(body, parts, { i, token, position, mask, past, recent })
  const uniform = uniforms && body.op('Gather', [uniforms, i], { axis: 0 }) // (B)
  const chosen = choose(body, made.logits, uniform, choice)
  const emitted = body.op('Where', [done, body.ints(ENDED), chosen.token])
  const logprob = body.op('Where', [done, body.scalar(0), chosen.logprob])
  const spent = body.op('GreaterOrEqual', [body.op('Add', [i, body.ints(1)]), budget])
  const stopped = eos.map(id => body.op('Equal', [emitted, body.ints(id)]))
  const ended = [...stopped, spent].reduce((a, b) => body.op('Or', [a, b]), done)
  const unfinished = body.op('ReduceMax', [body.op('Cast', [body.op('Not', [ended])], { to: 6 })], { keepdims: 0 })
  body.output(body.op('Cast', [unfinished], { to: 9 }))
  body.output(body.op('Max', [emitted, body.ints(0)]))
  body.output(ended)
  for (const value of made.recent) body.output(value)
  body.output(emitted)
  body.output(logprob)

  prune(body)
  hoist(body)
  const outputs = g.many('Loop', [steps, '', last, alive, ...empty], 2 + empty.length + 2, { body })
  const [, , ...rest] = outputs
  g.output(rest.at(-2)!, 'tokens')
  g.output(rest.at(-1)!, 'logprobs')
  rest.slice(0, -2).forEach((value, n) => {
    g.output(value, recentOf(n))
  })
  prune(g)
  return g
}

export const recentOf = (i: number) => pastOf(i).replace('past', 'recent')

interface State {
  i: string
  token: string
  position: string
  mask: string
  past: string[]
  recent: string[]
}

/** One token through the decoder: logits (B, V), and the carried part of the cache one longer. */
function step(body: Graph, parts: Parts, { i, token, position, mask, past, recent }: State) {
  const column = (x: string) => body.op('Unsqueeze', [x, body.ints([1])])
  const count = body.op('Reshape', [body.op('Add', [i, body.ints(1)]), body.ints([1])])
  const batch = body.op('Shape', [token], { start: 0, end: 1 })
  const ones = body.op('Expand', [body.ints(1), body.op('Concat', [batch, count], { axis: 0 })]) // (B, i+1)
  const whole = past.map((value, n) => body.op('Concat', [value, recent[n]], { axis: 2 }))
  const [axes, at] = [positionAxes(parts.decoder), column(body.op('Add', [position, i]))]
  const made = forward(body, parts, {
    ids: column(token), // (B, 1)
    mask: body.op('Concat', [mask, ones], { axis: 1 }),
    positions: axes ? body.op('Expand', [at, body.ints([axes, 1, 1])]) : at, // a generated token is at one place on all axes
    past: whole,
  })
  const split = splitCache(body, past, made.present)
  const vocabulary = body.shape(split.name(made.logits))?.at(-1)
  const logits = body.op('Reshape', [split.name(made.logits), body.ints([-1, vocabulary as number])])
  return {
    logits: body.type(logits).dtype === 'float32' ? logits : body.op('Cast', [logits], { to: 1 }),
    recent: split.recent,
  }
}
