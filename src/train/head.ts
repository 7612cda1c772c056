/**
 * The end of a decoder: from hidden states to logits, for the learnt positions alone, and the likelihood of their labels
 * in blocks of rows. No array over all positions and the whole vocabulary exists, forwards or backwards: the gradient of
 * a sum over rows does not wait for the rows, so each block's logits, loss and gradients are made in one pass and
 * forgotten (autodiff/rules/blocks.ts). Where the vocabulary's own matrix is trained, its gradient is as large as itself,
 * and the backward pass goes by slices of the vocabulary instead (autodiff/rules/partition.ts).
 */

import { blocksNode } from '../autodiff/blocks.ts'
import { entriesOf, outline } from '../autodiff/outline.ts'
import { cutPoints } from '../autodiff/recompute.ts'
import { between } from '../autodiff/reverse.ts'
import { swapsLastTwo } from '../autodiff/rules/matmul.ts'
import { copyOf } from '../graph/copy.ts'
import { Float, float, type Graph, type Node } from '../graph/ir.ts'
import { prune, reads } from '../graph/prune.ts'

/** Floats of a block's logits. */
const BLOCK = 1 << 24
/** Rows of a slice of the vocabulary. */
const SLICE = 1 << 12
const PICKS = 'learnt_positions'
/** The hidden states at these positions. */
export const PICKED = 'hidden'
/** Rows that a product should have at least. */
const FEWEST = 32

/**
 * The decoder whose first output is the logits (R, V) of the positions in a new input `learnt_positions` (R,) only. The rows are picked at the
 * last place after which each row is by itself (the second output, (R, D)), which saves the head's work on the prompt; where there
 * is no such place, of the logits.
 */
export function learntLogits(decoder: Graph): Graph {
  const output = decoder.outputs.includes('logits') ? 'logits' : decoder.outputs[0]
  const source = embedded(decoder)
  const place = source === undefined ? undefined : lastPlace(decoder, source, output)
  const pick = (g: Graph, value: string, name?: string) => {
    const width = Number(g.shape(value)!.at(-1))
    return g.op('Gather', [g.op('Reshape', [value, g.ints([-1, width])]), PICKS], {}, name)
  }
  const names = new Map<string, string>()
  const last = new Set(place?.nodes)
  const result = copyOf(decoder, (g, node) => {
    if (!g.has(PICKS)) g.input(PICKS, 'int64', ['R'])
    if (!last.has(node)) {
      g.add(node)
      if (place && node.outputs.includes(place.value)) names.set(place.value, pick(g, place.value, PICKED))
      return
    }
    const inputs = node.inputs.map(input => names.get(input) ?? input)
    // Rows stay rows: what only turned (B·T, V) into (B, T, V) has nothing to do any more.
    if (node.op === 'Reshape') names.set(node.outputs[0], inputs[0])
    else g.add({ ...node, inputs })
  })
  result.outputs = []
  const logits = names.get(output) ?? output
  result.output(place ? logits : pick(result, logits))
  if (place) result.output(names.get(place.value)!)
  prune(result)
  return result
}

/** Where the tokens' embeddings come in: the decoder's input, or the look-up of its ids. */
export function embedded(graph: Graph, ids = 'input_ids'): string | undefined {
  if (graph.inputs.includes('inputs_embeds')) return 'inputs_embeds'
  const looksUp = ({ op, inputs }: Node) =>
    (op === 'Gather' || op === 'GatherBlockQuantized') && inputs[1] === ids && graph.shape(inputs[0])?.length === 2
  return graph.nodes.find(looksUp)?.outputs[0]
}

/** Operators that work on each row by itself, whatever stands before the last axis. */
const BY_ELEMENT = new Set('Identity Cast Add Sub Mul Div Tanh Neg Min Max Clip Relu Sigmoid Gelu'.split(' '))
const NORMS = new Set([
  'LayerNormalization',
  'SimplifiedLayerNormalization',
  'RMSNormalization',
  'Softmax',
  'LogSoftmax',
])
const PRODUCTS = new Set(['MatMul', 'FusedMatMul', 'Gemm', 'MatMulNBits'])

function lastPlace(graph: Graph, from: string, to: string): { value: string; nodes: Node[] } | undefined {
  const path = between(graph, [to], [from])
  const rowwise = ({ op, inputs, outputs, attrs }: Node) => {
    const ranks = inputs.slice(1).map(input => (input ? (graph.shape(input)?.length ?? 9) : 0))
    if (BY_ELEMENT.has(op)) return inputs.some(input => (graph.shape(input)?.length ?? 9) < 2) || inputs.every(input => onPath.has(input)) // biome-ignore format: one thought
    if (NORMS.has(op)) return attrs.axis === undefined || attrs.axis === -1 || attrs.axis === graph.shape(outputs[0])!.length - 1 // biome-ignore format: one thought
    if (PRODUCTS.has(op)) return !attrs.transA && onPath.has(inputs[0]) && (op === 'MatMulNBits' || ranks[0] === 2) && (op !== 'Gemm' || (ranks[1] ?? 1) < 2) // biome-ignore format: one thought
    return op === 'Reshape' && graph.shape(inputs[0])?.at(-1) === graph.shape(outputs[0])?.at(-1)
  }
  const onPath = new Set([from, ...path.flatMap(node => node.outputs)])
  const product = path.findLastIndex(({ op }) => PRODUCTS.has(op))
  const makers = graph.producers()
  const cuts = cutPoints(graph, from, to).map(value => ({ value, made: path.indexOf(makers.get(value)!) }))
  const cut = cuts.findLast(({ made }) => made < product)
  if (!cut || typeof graph.shape(cut.value)?.at(-1) !== 'number') return undefined
  const nodes = path.slice(cut.made + 1)
  return nodes.every(rowwise) ? { value: cut.value, nodes } : undefined
}

/**
 * Natural log-probability of each label, (R, 1).
 *
 * @param logits (R, V)
 * @param hidden (R, D), what the logits are computed from row by row; without it, they are kept whole
 * @param labels (R,) int64
 * @param rows rows in a block; where absent, as many as the vocabulary and `room` (see Fit) let
 */
export function logprobs(
  body: Graph,
  logits: string,
  hidden: string | undefined,
  labels: string,
  rows?: number,
  room = 1,
): string {
  const size = (width: number) => rows ?? Math.max(FEWEST, Math.floor((room * BLOCK) / width))
  const trained = hidden && trainedMatrix(body, logits, hidden)
  if (trained) {
    const label = body.op('Mul', [hidden, body.op('Gather', [trained, labels])]) // (R, D)
    const own = body.op('ReduceSum', [label, body.ints([1])]) // (R, 1)
    return body.op('Sub', [own, logPartition(body, hidden, trained, size, room)])
  }
  const column = body.op('Unsqueeze', [labels, body.ints([1])])
  const logs = body.op('LogSoftmax', [logits], { axis: -1 })
  const picked = body.op('GatherElements', [logs, column], { axis: 1 }) // (R, 1)
  if (hidden) inBlocks(body, hidden, column, picked, size)
  return picked
}

/** The matrix (V, D) that is trained and whose products with `hidden` are the logits, and nothing else. */
function trainedMatrix(body: Graph, logits: string, hidden: string): string | undefined {
  const makers = body.producers()
  let product = makers.get(logits)
  while (product?.op === 'Identity') product = makers.get(product.inputs[0])
  if (!product || !/^(Fused)?MatMul$/.test(product.op) || product.inputs[0] !== hidden) return undefined
  const { transA = 0, transB = 0, alpha } = product.attrs
  if (transA || (alpha instanceof Float && alpha.value !== 1)) return undefined
  const turned = makers.get(product.inputs[1])
  const matrix = transB ? product.inputs[1] : turned && swapsLastTwo(turned, 2) ? turned.inputs[0] : undefined
  if (!matrix || body.shape(matrix)?.length !== 2 || makers.has(matrix)) return undefined
  return body.initializer(matrix) || body.type(matrix).dtype !== 'float32' ? undefined : matrix
}

/** log Σᵥ exp(hidden · matrixᵥ), (R, 1): forwards in blocks of rows, backwards in slices of the vocabulary (rules/partition.ts). */
function logPartition(body: Graph, hidden: string, matrix: string, size: (width: number) => number, room: number) {
  const width = body.shape(matrix)![0] as number
  const start = body.nodes.length
  const logits = body.op('FusedMatMul', [hidden, matrix], { transA: 0, transB: 1, alpha: float(1) }) // (R, V)
  const axis = body.ints([1])
  const most = body.op('ReduceMax', [logits, axis]) // (R, 1)
  const sum = body.op('ReduceSum', [body.op('Exp', [body.op('Sub', [logits, most])]), axis])
  const made = body.op('Add', [most, body.op('Log', [sum])])
  const part = outline(body, body.fresh('head'), body.nodes.splice(start), [hidden, matrix], [made])
  const entries = [{ value: hidden, cut: 0 }, { value: matrix }]
  const value = body.fresh('head/partition')
  body.add(blocksNode(part.name, [value], { part, size: size(width), entries, axis: 0, unit: 1 }))
  const output = body.fresh('LogPartition')
  const attrs = { slice: divisor(width, room * SLICE) }
  body.add({ op: 'LogPartition', domain: 'sophia', name: output, inputs: [value, hidden, matrix], outputs: [output], attrs }) // biome-ignore format: one thought
  return output
}

/** The greatest divisor of `n` up to `most`, where it is no less than a quarter of that, so that slices are all alike; else `most`. */
function divisor(n: number, most: number): number {
  for (let size = Math.min(n, most); size >= most / 4; size--) if (n % size === 0) return size
  return most
}

/** Puts what leads from `hidden` and `column` to `picked` into a part of its own. */
function inBlocks(body: Graph, hidden: string, column: string, picked: string, size: (width: number) => number): void {
  const path = between(body, [picked], [hidden])
  const own = new Set(path)
  // Transposed weights go along, for a product takes them as they are.
  const read = new Set(path.flatMap(node => node.inputs))
  for (const node of body.nodes) if (node.op === 'Transpose' && read.has(node.outputs[0])) own.add(node)
  const nodes = body.nodes.filter(node => own.has(node))
  const entries = entriesOf(body, nodes)
  const width = Number(body.shape(path.find(({ op }) => op === 'LogSoftmax')!.inputs[0])!.at(-1))
  const blocks = {
    part: outline(body, body.fresh('head'), nodes, entries, [picked]),
    size: size(width),
    entries: entries.map(value => (value === hidden || value === column ? { value, cut: 0 } : { value })),
    axis: 0,
    unit: 1,
  }
  const outside = new Set(body.nodes.filter(node => !own.has(node)).flatMap(reads))
  const kept = body.nodes.filter(node => !own.has(node) || (node.op === 'Transpose' && outside.has(node.outputs[0])))
  body.nodes = [...kept, blocksNode(blocks.part.name, [picked], blocks)]
}
