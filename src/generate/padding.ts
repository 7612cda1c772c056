/**
 * Batches are padded on the left here, and some decoders cannot take them so. ONNX Runtime's GroupQueryAttention takes
 * the lengths of rows that begin at 0: it is written out, with the mask and the positions that it is given; and so its
 * cache can be split around a Loop as any other's. Older exports count positions themselves, from the length of the
 * cache on, the same for all rows: they are given them.
 */

import { replace } from '../autodiff/decompose.ts'
import { copyOf } from '../graph/copy.ts'
import type { DType, Graph, Node } from '../graph/ir.ts'

const fused = ({ op, domain }: Node) => op === 'GroupQueryAttention' && domain === 'com.microsoft'

/** A decoder whose attention reads attention_mask (B, P+T) and position_ids (B, T); the same graph where it does. */
export function leftPadded(decoder: Graph): Graph {
  if (!decoder.nodes.some(fused) || !decoder.inputs.includes('attention_mask')) return positioned(decoder)
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

/** A decoder with an input position_ids in the place of what it counts; the same graph where it has one or counts nothing. */
function positioned(decoder: Graph): Graph {
  const counted = decoder.inputs.includes('position_ids') ? new Set<string>() : countedBy(decoder)
  if (counted.size === 0) return decoder
  return copyOf(decoder, (g, node) => {
    const inputs = node.inputs.map(input => (counted.has(input) ? positions(g) : input))
    g.add({ ...node, inputs })
  })
}

/** Shapes of what holds the numbers of a Range change, and their type. */
const PASSES = new Set(['Unsqueeze', 'Reshape', 'Expand', 'Identity', 'Cast'])

/** Values (1, T) that hold the numbers of the new tokens and are what embeddings or angles are looked up by. */
function countedBy(graph: Graph): Set<string> {
  const length = graph.shape(graph.inputs.find(name => name === 'input_ids' || name === 'inputs_embeds') ?? '')?.[1]
  const origin = new Map<string, string>()
  const found = new Set<string>()
  const isRow = (value: string) => graph.shape(value)?.length === 2 && graph.shape(value)![1] === length
  for (const { op, inputs, outputs } of graph.nodes) {
    const [first, second] = inputs
    const from = origin.get(op === 'Gather' ? second : first)
    if (op === 'Range' && graph.type(outputs[0]).dtype === 'int64') origin.set(outputs[0], '')
    else if (from !== undefined && PASSES.has(op)) origin.set(outputs[0], from || (isRow(outputs[0]) ? outputs[0] : ''))
    else if (from && op === 'Gather' && graph.shape(first)?.length === 2) found.add(from)
  }
  return found
}

/** attention_mask as what is added to scores: (B, 1, 1, P+T). */
function hiding(g: Graph, dtype: DType): string {
  const real = g.op('Unsqueeze', [g.op('Cast', ['attention_mask'], { to: 9 }), g.ints([1, 2])])
  const scalar = (value: number) => g.scalar(value, dtype)
  return g.op('Where', [real, scalar(0), scalar(dtype === 'float16' ? -3e4 : -1e9)])
}
