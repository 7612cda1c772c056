/**
 * Batches are padded on the left here, which ONNX Runtime's GroupQueryAttention cannot do: it takes the lengths of rows
 * that begin at 0. It is written out, with the mask and the positions that it is given; and so its cache can be split
 * around a Loop as any other's.
 */

import { replace } from '../autodiff/decompose.ts'
import { copyOf } from '../graph/copy.ts'
import type { DType, Graph, Node } from '../graph/ir.ts'

const fused = ({ op, domain }: Node) => op === 'GroupQueryAttention' && domain === 'com.microsoft'

/** A decoder whose attention reads attention_mask (B, P+T) and position_ids (B, T); the same graph where it does. */
export function leftPadded(decoder: Graph): Graph {
  if (!decoder.nodes.some(fused) || !decoder.inputs.includes('attention_mask')) return decoder
  const biases = new Map<string, string>()
  return copyOf(decoder, (g, node) => {
    if (!fused(node)) return g.add(node)
    const { dtype } = g.type(node.inputs[0])
    if (!biases.has(dtype)) biases.set(dtype, hiding(g, dtype))
    const bias = biases.get(dtype)!
    const inputs = Array.from({ length: Math.max(11, node.inputs.length) }, (_, i) => node.inputs[i] ?? '')
    if (node.attrs.do_rotary && !inputs[9]) inputs[9] = positions(g)
    inputs[10] = inputs[10] ? g.op('Add', [inputs[10], bias]) : bias
    replace(g, { ...node, inputs })
  })
}

const positions = (g: Graph) =>
  g.inputs.includes('position_ids') ? 'position_ids' : g.input('position_ids', 'int64', ['batch', 'sequence'])

/** attention_mask as what is added to scores: (B, 1, 1, P+T). */
function hiding(g: Graph, dtype: DType): string {
  const real = g.op('Unsqueeze', [g.op('Cast', ['attention_mask'], { to: 9 }), g.ints([1, 2])])
  const scalar = (value: number) => g.scalar(value, dtype)
  return g.op('Where', [real, scalar(0), scalar(dtype === 'float16' ? -3e4 : -1e9)])
}
