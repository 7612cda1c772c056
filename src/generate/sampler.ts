/**
 * Choosing a token, as graph operators, so that no logits leave the device. The randomness comes in as one uniform a
 * row, drawn beforehand; the choice is the inverse of the cumulative distribution at that point.
 * Left out: top-k, repetition penalties, beam search.
 */

import { Graph } from '../graph/ir.ts'

export interface Choice {
  /** 0 is greedy. */
  temperature: number
  /** Keep the smallest set of most probable tokens whose mass reaches this; 1 keeps all and sorts nothing. */
  topP: number
}

/** How many of the most probable tokens are sorted first; only where they are too few for the nucleus, more are. */
const HEADS = [64, 1024]

/**
 * Appends the choice of one token a row.
 *
 * @param logits (B, V), float32, V known
 * @param uniform (B), float32 in [0, 1), multiples of 2⁻²⁴ (others may round up to 1); not read when greedy
 * @returns token (B), int64; logprob (B), float32: its natural log-probability at temperature 1, before top-p
 */
export function choose(g: Graph, logits: string, uniform: string | undefined, { temperature, topP }: Choice) {
  if (temperature === 0) return greedy(g, logits)
  const natural = softmax(g, logits)
  const scaled = temperature === 1 ? natural : softmax(g, g.op('Mul', [logits, g.scalar(1 / temperature)]))
  const point = g.op('Unsqueeze', [uniform!, g.ints([1])]) // (B, 1)
  const at = topP < 1 ? nucleus(g, scaled, point, topP) : invert(g, scaled, point) // (B, 1)
  const probability = g.op('GatherElements', [natural, at], { axis: 1 })
  const squeeze = (x: string) => g.op('Squeeze', [x, g.ints([1])])
  return { token: squeeze(at), logprob: g.op('Log', [squeeze(probability)]) }
}

const softmax = (g: Graph, x: string) => g.op('Softmax', [x], { axis: -1 })

function greedy(g: Graph, logits: string) {
  const token = g.op('ArgMax', [logits], { axis: 1, keepdims: 0 })
  return { token, logprob: g.op('Log', [g.op('ReduceMax', [softmax(g, logits), g.ints([1])], { keepdims: 0 })]) }
}

/** The first index at which the cumulative sum passes point · total: how many lie at or below it. (B, V), (B, 1) → (B, 1) */
function invert(g: Graph, weights: string, point: string): string {
  const cumulative = g.op('CumSum', [weights, g.ints(1)]) // (B, V)
  const total = g.op('ReduceMax', [cumulative, g.ints([1])], { keepdims: 1 })
  const below = g.op('LessOrEqual', [cumulative, g.op('Mul', [point, total])])
  return g.op('Cast', [g.op('ReduceSum', [g.op('Cast', [below], { to: 1 }), g.ints([1])], { keepdims: 1 })], { to: 7 })
}

/** The same among the nucleus (Holtzman et al. 2020): tokens with less than topP of mass before them. */
function nucleus(g: Graph, probabilities: string, point: string, topP: number, heads = HEADS): string {
  const size = g.shape(probabilities)!.at(-1)
  if (typeof size !== 'number') throw new Error('the vocabulary size has to be known to sample by top-p')
  const [head = size, ...more] = heads.filter(count => count <= size / 2)
  const [sorted, order] = g.many('TopK', [probabilities, g.ints([head])], 2, { axis: 1 }) // (B, head)
  const choose = (part: Graph) => {
    const before = part.op('CumSum', [sorted, part.ints(1)], { exclusive: 1 })
    // The most probable token always stays: nothing is before it.
    const kept = part.op('Where', [part.op('Less', [before, part.scalar(topP)]), sorted, part.scalar(0)])
    return part.op('GatherElements', [order, invert(part, kept, point)], { axis: 1 })
  }
  if (head === size) return choose(g)
  const covered = g.op('ReduceMin', [g.op('ReduceSum', [sorted, g.ints([1])], { keepdims: 0 })], { keepdims: 0 })
  // The margin is for the sum, which rounds in another order than the cumulative one.
  const enough = g.op('GreaterOrEqual', [covered, g.scalar(topP + 1e-5)])
  const branch = (name: string, value: (part: Graph) => string) => {
    const part = new Graph(g.fresh(name), g)
    part.output(value(part))
    return part
  }
  return g.op('If', [enough], {
    then_branch: branch('few', choose),
    else_branch: branch('more', part => nucleus(part, probabilities, point, topP, more)),
  })
}
