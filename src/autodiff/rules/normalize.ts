/** Softmaxes and layer norms in closed form: fewer passes over memory than their parts' rules. */

import type { Node } from '../../graph/ir.ts'
import { isZeros } from '../added.ts'
import type { Rule, Site } from './site.ts'

export const NORMALIZE: Record<string, Rule> = {
  // y (g − Σ g y)
  Softmax: s => [s.mul(s.y, s.sub(s.g, s.sum(s.mul(s.g, s.y), [s.int('axis', -1)])))],
  // g − exp(y) Σ g
  LogSoftmax: s => {
    const axis = s.int('axis', -1)
    const p = s.op('Exp', [s.y])
    const picked = pickedFrom(s, axis)
    if (!picked) return [s.sub(s.g, s.mul(p, s.sum(s.g, [axis])))]
    const { inputs, attrs } = picked
    return [s.op('ScatterElements', [s.mul(p, s.neg(s.sum(inputs[2], [axis]))), inputs[1], inputs[2]], attrs)]
  },
  LayerNormalization: s => layerNorm(s, true),
  SimplifiedLayerNormalization: s => layerNorm(s, false),
}

/**
 * The node that made the gradient, where all of it is zero but for what was picked along `axis`, as labels are. Then no
 * array of zeros with a few gradients in it has to be made, multiplied and summed.
 */
function pickedFrom(s: Site, axis: number): Node | undefined {
  const { graph } = s
  const made = s.producer(s.g)
  if (made?.op !== 'ScatterElements' || made.attrs.reduction !== 'add') return undefined
  if (!isZeros(s.producer(made.inputs[0]))) return undefined
  const [whole, at] = [graph.shape(s.y)!, graph.shape(made.inputs[1])!]
  const along = s.axis(axis, whole.length)
  if (s.axis(made.attrs.axis as number, whole.length) !== along) return undefined
  return whole.every((dim, i) => i === along || dim === at[i]) ? made : undefined
}

/**
 * y = n · scale (+ bias) with n = (x − mean) · r, r = 1/√(var + ε); the simplified (RMS) norm has no mean.
 * With u = g · scale: dx = r (u − mean(u) − n · mean(u n)).
 */
function layerNorm(s: Site, centred: boolean): (string | null)[] {
  const [x, scale, bias] = s.x
  const rank = s.graph.rank(x)
  const first = s.axis(s.int('axis', -1), rank)
  const axes = Array.from({ length: rank - first }, (_, i) => first + i)
  const r = statistic(s, centred ? 2 : 1) // (…, 1)
  const n = s.mul(centred ? s.sub(x, statistic(s, 1)) : x, r)
  const u = s.mul(s.g, scale)
  const along = s.mul(n, s.mean(s.mul(u, n), axes))
  const rest = centred ? s.sub(u, s.mean(u, axes)) : u
  return [s.mul(s.sub(rest, along), r), s.mul(s.g, n), bias ? s.g : null]
}

/** An optional output of the forward node (mean, 1/σ), which it is made to give where it does not yet. */
function statistic(s: Site, at: number): string {
  const { graph, node } = s
  while (node.outputs.length <= at) node.outputs.push('')
  if (!node.outputs[at]) {
    node.outputs[at] = graph.fresh(`${node.op}/statistic`)
    const { dtype, shape } = graph.type(s.x[0])
    const first = s.axis(s.int('axis', -1), shape!.length)
    graph.types.set(node.outputs[at], { dtype, shape: shape!.map((dim, i) => (i < first ? dim : 1)) })
  }
  return node.outputs[at]
}
