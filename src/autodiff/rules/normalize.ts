/** Softmaxes and layer norms in closed form: fewer passes over memory than their parts' rules. */

import type { Rule, Site } from './site.ts'

export const NORMALIZE: Record<string, Rule> = {
  // y (g − Σ g y)
  Softmax: s => [s.mul(s.y, s.sub(s.g, s.sum(s.mul(s.g, s.y), [s.int('axis', -1)])))],
  // g − exp(y) Σ g
  LogSoftmax: s => [s.sub(s.g, s.mul(s.op('Exp', [s.y]), s.sum(s.g, [s.int('axis', -1)])))],
  LayerNormalization: s => layerNorm(s, true),
  SimplifiedLayerNormalization: s => layerNorm(s, false),
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
