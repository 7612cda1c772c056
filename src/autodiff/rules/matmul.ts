/**
 * Matrix products. Transposes are never carried out: they become flags of FusedMatMul. A weight's gradient is one
 * two-dimensional product over all rows, so that no gradient per batch element is made and summed.
 */

import { float, type Graph, type Node } from '../../graph/ir.ts'
import type { Rule, Site } from './site.ts'

export const MATMUL: Record<string, Rule> = {
  MatMul: s => products(s, false, false, 1),
  FusedMatMul: s => {
    if (s.int('transBatchA', 0) || s.int('transBatchB', 0)) s.refuse('a product with transposed batch axes')
    return products(s, s.int('transA', 0) === 1, s.int('transB', 0) === 1, s.float('alpha', 1))
  },
  Gemm: s => {
    const beta = s.float('beta', 1)
    const both = products(s, s.int('transA', 0) === 1, s.int('transB', 0) === 1, s.float('alpha', 1))
    return [...both, s.x[2] ? (beta === 1 ? s.g : s.mul(s.g, beta)) : null]
  },
}

/** The gradients of alpha · A′ B′, where A′ is A or its transpose, B′ is B or its transpose. */
function products(s: Site, transA: boolean, transB: boolean, alpha: number): string[] {
  let [a, b] = s.x
  let g = s.g
  const [vectorA, vectorB] = [a, b].map(value => s.graph.rank(value) === 1)
  if (vectorB) [b, g] = [s.unsqueeze(b, -1), s.unsqueeze(g, -1)]
  if (vectorA) [a, g] = [s.unsqueeze(a, 0), s.unsqueeze(g, -2)]
  const times = (l: string, r: string, transL: boolean, transR: boolean) =>
    product(s.graph, l, r, transL, transR, alpha, s.producer)
  const da = transA ? times(b, g, transB, true) : times(g, b, false, !transB)
  const flat = s.graph.rank(b) === 2 && s.graph.rank(a) > 2 && !transA
  const [rowsA, rowsG] = flat ? [rows(s, a), rows(s, g)] : [a, g]
  const db = transB ? times(rowsG, rowsA, true, transA) : times(rowsA, rowsG, !transA, false)
  return [vectorA ? s.squeeze(da, -2) : da, vectorB ? s.squeeze(db, -1) : db]
}

/**
 * alpha · L′ R′ over the last two axes. An operand that is itself the transpose of something is taken from there.
 *
 * @param producer finds the node that makes a value
 */
export function product(
  graph: Graph,
  l: string,
  r: string,
  transL: boolean,
  transR: boolean,
  alpha: number,
  producer: (value: string) => Node | undefined,
): string {
  const origin = (value: string, flag: boolean): [string, boolean] => {
    const node = producer(value)
    return node && swapsLastTwo(node, graph.rank(value)) ? [node.inputs[0], !flag] : [value, flag]
  }
  const [left, transA] = origin(l, transL)
  const [right, transB] = origin(r, transR)
  if (!transA && !transB && alpha === 1) return graph.op('MatMul', [left, right], {}, 'grad/MatMul')
  const attrs = { transA: Number(transA), transB: Number(transB), alpha: float(alpha) }
  return graph.op('FusedMatMul', [left, right], attrs, 'grad/MatMul')
}

/** Whether the node is a Transpose that swaps the last two axes and no others. */
export function swapsLastTwo(node: Node, rank: number): boolean {
  if (node.op !== 'Transpose' || rank < 2) return false
  const perm = node.attrs.perm as number[] | undefined
  if (!perm) return rank === 2
  return perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

/** (…, N) as a matrix (rows, N). */
export function rows(s: Site, value: string): string {
  const last = s.graph.shape(value)!.at(-1)!
  if (typeof last === 'number') return s.reshape(value, [-1, last])
  return s.reshape(value, s.concat([s.graph.ints([-1]), s.dims(value, [-1])], 0))
}
