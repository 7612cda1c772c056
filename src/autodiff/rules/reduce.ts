/** Reductions. What was summed away is given back by Expand, or by broadcasting in the product that follows anyway. */

import type { Rule, Site } from './site.ts'

export const REDUCE: Record<string, Rule> = {
  ReduceSum: s => [expanded(s, kept(s, s.g)), null],
  ReduceMean: s => [expanded(s, s.div(kept(s, s.g), count(s))), null],
  ReduceSumSquare: s => [s.mul(s.mul(s.x[0], 2), kept(s, s.g)), null],
  ReduceL2: s => [s.mul(s.x[0], kept(s, s.div(s.g, s.y))), null],
  ReduceLogSumExp: s => [s.mul(s.op('Exp', [s.sub(s.x[0], kept(s, s.y))]), kept(s, s.g)), null],
  ReduceMax: s => [shared(s), null],
  ReduceMin: s => [shared(s), null],
}

/** A value of the output's shape with the reduced axes put back as 1. */
function kept(s: Site, value: string): string {
  if (s.int('keepdims', 1) === 1 || !reducesSome(s)) return value
  return s.op('Unsqueeze', [value, s.x[1] || s.graph.ints(s.list('axes')!)])
}

/** Whether axes are named; without, all are reduced and the output broadcasts as it is. */
const reducesSome = (s: Site) => Boolean(s.x[1] || s.list('axes'))

const expanded = (s: Site, value: string) => s.op('Expand', [value, s.dims(s.x[0])])

/** How many elements went into one. */
function count(s: Site): string {
  const [shape, axes] = [s.graph.shape(s.x[0]), s.list('axes') ?? s.numbers(s.x[1])]
  const gone = shape && axes?.map(axis => shape.at(axis)!)
  if (gone?.every(dim => typeof dim === 'number')) return s.scalar(gone.reduce((a, b) => a * b, 1))
  return s.op('CastLike', [s.div(s.op('Size', [s.x[0]]), s.op('Size', [s.y])), s.y]) // halves cannot hold all sizes
}

/** Equal extremes share the gradient equally. */
function shared(s: Site): string {
  const [x, axes] = s.x
  const hit = s.op('CastLike', [s.op('Equal', [x, kept(s, s.y)]), x])
  const ties = s.sum(hit, axes || s.list('axes'))
  return s.mul(hit, s.div(kept(s, s.g), ties))
}
