/**
 * The gradient of a vocabulary's log-partition function, log Σᵥ exp(h·wᵥ), slice by slice of the vocabulary: each slice's
 * logits are made again and forgotten, and its rows of the weight's gradient are made at once. Going by blocks of rows
 * instead, every block would add to all of that gradient, the largest array of a small model.
 * Cut cross-entropy: Wijmans et al. 2024, arXiv 2411.09009.
 */

import { float } from '../../graph/ir.ts'
import { BlockLoop } from '../loop.ts'
import type { Rule } from './site.ts'

export const PARTITION: Record<string, Rule> = {
  /**
   * Inputs: its value z (R, 1), which is passed on; h (R, D); w (V, D). Attribute `slice`: rows of w in a slice, at most.
   * With p = exp(h wᵀ − z) · g: dh = p w, dw = pᵀ h.
   */
  LogPartition: s => {
    const { graph } = s
    const [, hidden, weight] = s.x
    const loop = new BlockLoop(graph, { size: s.int('slice', 1), entries: [{ value: weight, cut: 0 }] })
    const { body } = loop
    const product = (a: string, b: string, transA: number, transB: number) =>
      body.op('FusedMatMul', [a, b], { transA, transB, alpha: float(1) })
    const [slice] = loop.entries() // (S, D)
    const p = body.op('Exp', [body.op('Sub', [product(hidden, slice, 0, 1), s.y])]) // (R, S)
    const d = body.op('Mul', [p, s.g])
    loop.sum(body.op('MatMul', [d, slice]), hidden)
    loop.stack(product(d, hidden, 1, 0))
    const [dh, dw] = loop.finish()
    return [null, dh, loop.joined(dw, 0, 1, graph.shape(weight)!)]
  },
}
