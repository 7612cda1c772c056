/**
 * A model folder's graphs as they can be differentiated: in single precision or in one that was asked for, of operators
 * that have a rule. That they can is found out here, on the graphs alone, before any weight is read.
 */

import { decompose } from '../autodiff/decompose.ts'
import { requireRules } from '../autodiff/reverse.ts'
import { copyOf } from '../graph/copy.ts'
import type { Graph, Node } from '../graph/ir.ts'
import { widened } from '../graph/widen.ts'
import type { Parts } from './forward.ts'
import type { Trained } from './step.ts'

/**
 * @param asIs leave graphs that compute in half precision so
 * @throws UserError that names the operator and the node where the gradient of `trained` cannot be had
 */
export function learnable(parts: Parts, trained: Trained[], asIs = false): Parts {
  const result: Parts = {}
  for (const [name, graph] of Object.entries(parts) as [keyof Parts, Graph][]) {
    const made = copyOf(asIs ? graph : widened(graph), (g, node) => g.add(exact(node)))
    decompose(made)
    requireRules(made, [...trained.map(({ name }) => name), 'inputs_embeds'])
    result[name] = made
  }
  return result
}

/** The gradient is that of the product in floats, so forward must not round the activations to eight bits. */
const exact = (node: Node): Node =>
  node.op === 'MatMulNBits' && node.attrs.accuracy_level
    ? { ...node, attrs: { ...node.attrs, accuracy_level: 1 } }
    : node
