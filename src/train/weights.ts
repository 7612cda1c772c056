/**
 * Which tensors of a graph are trained. Checkpoints name their weights so; exporters often do not, and then a weight is
 * told by what reads it: a product, a look-up by token, a norm, a bias, a table of positions that was cut in two. Other
 * tables (of frequencies), constants and what is quantized are none.
 */

import { type Graph, isFloatType, type Node, type Tensor } from '../graph/ir.ts'
import { moduleOf, stored } from '../models/products.ts'

/** Names that checkpoints give to weights; the lone ones are of vision towers, and what ends a row of a picture. */
const WEIGHT = /\.(weight|bias)$|(class_embedding|cls_token|position_embeddings?|ls[12]|lambda_[12]|image_newline)$/

/** Trainable tensors by name, for those of whose name (or else whose module's) `wanted` approves. */
export function trainable(graph: Graph, wanted: (name: string) => boolean = () => true): Map<string, Tensor> {
  const makers = graph.producers()
  const found = new Map<string, Tensor>()
  const take = (value: string | undefined, node: Node, fits: (shape: number[]) => boolean) => {
    const { weight } = stored(value ?? '', makers)
    const tensor = graph.initializers.get(weight)
    if (!tensor || !isFloatType(tensor.dtype) || !fits(tensor.shape)) return
    if (wanted(weight) || wanted(moduleOf(node) ?? node.name)) found.set(weight, tensor)
  }
  for (const [name, tensor] of graph.initializers) {
    if (WEIGHT.test(name) && isFloatType(tensor.dtype) && wanted(name)) found.set(name, tensor)
  }
  for (const node of graph.nodes) {
    const places = Object.entries(WEIGHTS[node.op]?.(graph, node) ?? {})
    for (const [i, fits] of places) take(node.inputs[Number(i)], node, fits!)
  }
  return new Map([...graph.initializers].filter(([name]) => found.has(name)))
}

const matrix = (shape: number[]) => shape.length === 2
const vector = (shape: number[]) => shape.length === 1 && shape[0] > 1
const any = () => true
/** Positions of patches and of what comes before them, (1, N, D), as a trace of InternVL's tower has them. */
const table = ([one, count, width, ...more]: number[]) => one === 1 && count > 1 && width > 1 && more.length === 0
const row = ([one, only, width, ...more]: number[]) => one === 1 && only === 1 && width > 1 && more.length === 0

type Places = Partial<Record<number, (shape: number[]) => boolean>>

/** Operator → the inputs that are weights, and of what shape. */
const WEIGHTS: Record<string, (graph: Graph, node: Node) => Places> = {
  MatMul: () => ({ 0: matrix, 1: matrix }),
  FusedMatMul: () => ({ 0: matrix, 1: matrix }),
  Gemm: () => ({ 0: matrix, 1: matrix, 2: vector }),
  Conv: () => ({ 1: any, 2: vector }),
  Gather: (graph, { inputs }) => (inputs[1] === 'input_ids' && graph.inputs.includes(inputs[1]) ? { 0: matrix } : {}),
  Reshape: () => ({ 0: table }),
  Concat: () => ({ 0: row }),
  Add: (graph, node) => besideActivations(graph, node),
  Mul: (graph, node) => besideActivations(graph, node),
  ...Object.fromEntries(
    ['LayerNormalization', 'SimplifiedLayerNormalization', 'RMSNormalization', 'BiasGelu', 'FastGelu'].map(op => [
      op,
      () => ({ 1: vector, 2: vector }),
    ]),
  ),
  SkipLayerNormalization: () => ({ 2: vector, 3: vector, 4: vector }),
  SkipSimplifiedLayerNormalization: () => ({ 2: vector, 3: vector }),
  MultiHeadAttention: () => ({ 3: vector }),
}

/**
 * What is added to or multiplied with activations (B, T, C): a bias, or the scale of a norm written out, and what is looked
 * up by constant positions, where that was done when it was exported.
 */
function besideActivations(graph: Graph, { op, inputs }: Node): Places {
  const fits = (shape: number[]) => vector(shape) || (op === 'Add' && table(shape))
  const rank = (value: string) => graph.shape(value)?.length
  return { ...(rank(inputs[1]) === 3 && { 0: fits }), ...(rank(inputs[0]) === 3 && { 1: fits }) }
}
