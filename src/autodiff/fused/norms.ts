/** Layer norms fused with the residual before them, and the standard name of the RMS norm. */

import { float } from '../../graph/ir.ts'
import type { Decomposition } from '../decompose.ts'

export const NORMS: Record<string, Decomposition> = {
  RMSNormalization: w => [w.op('SimplifiedLayerNormalization', w.x, w.node.attrs)],

  /** input, skip, scale, (bias of the sum) → normed, –, –, sum */
  SkipSimplifiedLayerNormalization: w => {
    const [input, skip, scale, bias] = w.x
    const residual = w.add(input, skip)
    const sum = bias ? w.add(residual, bias) : residual
    const attrs = { axis: -1, epsilon: float(w.float('epsilon', 1e-5)), stash_type: 1 }
    return [w.op('SimplifiedLayerNormalization', [sum, scale], attrs), undefined, undefined, sum]
  },

  /** input, skip, scale, (shift), (bias of the sum) → normed, –, –, sum */
  SkipLayerNormalization: w => {
    const [input, skip, scale, shift, bias] = w.x
    const residual = w.add(input, skip)
    const sum = bias ? w.add(residual, bias) : residual
    const attrs = { axis: -1, epsilon: float(w.float('epsilon', 1e-5)) }
    const normed = w.op('LayerNormalization', shift ? [sum, scale, shift] : [sum, scale], attrs)
    return [normed, undefined, undefined, sum]
  },
}
