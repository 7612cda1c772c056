/**
 * Recomputation of activations: the nodes of each layer become one part (blocks.ts), of which only the input is kept for
 * the backward pass. Layers are found from the flow of the graph: a value through which everything flows that comes later
 * is a cut; what lies between two cuts can be worked out again from the first. Cuts with the same number in their names
 * (`layers.7.`) are one layer. Left out: choosing which layers (all are recomputed).
 */

import type { Graph, Node } from '../graph/ir.ts'
import { order } from '../graph/order.ts'
import { reads } from '../graph/prune.ts'
import { blocksNode } from './blocks.ts'
import { entriesOf, outline } from './outline.ts'
import { between } from './reverse.ts'

/**
 * Makes every layer between two values of `graph` a part that is recomputed.
 *
 * @param from where the layers start: the embedded tokens
 * @param to where they end
 * @returns how many layers were found
 */
export function recompute(graph: Graph, from: string, to: string): number {
  return replace(graph, layersOf(graph, from, to), to)
}

/** What starts a group that is cheap to work out again: activation functions, norms. */
const STARTS = new Set('Sigmoid Tanh Erf Gelu Relu Softplus SimplifiedLayerNormalization LayerNormalization'.split(' '))
/** Element-wise operators that may follow: gated feed-forward layers are made of them. */
const CHEAP = new Set('Sigmoid Tanh Erf Gelu QuickGelu Relu Softplus Mul Add Sub Div Neg Exp Cast'.split(' '))

/**
 * The same for norms and for activation functions with what follows them element by element, as in SwiGLU, up to the
 * products that take their results: of products(gate σ(gate) up) only gate and up are kept, of products(norm(x)) only x.
 * The products themselves are not done again. Costs next to nothing (Korthikanti et al. 2022, arXiv 2205.05198).
 *
 * @returns how many were found
 */
export function recomputeActivations(graph: Graph, from: string, to: string): number {
  const flow = new Flow(graph)
  const taken = new Set<Node>()
  const groups = between(graph, [to], [from]).flatMap(start => {
    const group = STARTS.has(start.op) && !taken.has(start) ? cheapFrom(flow, start) : []
    if (group.some(node => taken.has(node))) return []
    for (const node of group) taken.add(node)
    return group.length > 0 ? [graph.nodes.filter(node => group.includes(node))] : []
  })
  const count = replace(graph, groups, to)
  order(graph)
  return count
}

/** The nodes of a group; none where nothing would be saved. */
function cheapFrom(flow: Flow, start: Node): Node[] {
  const group = [start]
  const size = flow.size(start)
  for (const node of group)
    for (const user of flow.users(node)) if (CHEAP.has(user.op) && flow.size(user) === size && !group.includes(user)) group.push(user) // biome-ignore format: one thought
  const [end, ...more] = group.filter(node => flow.users(node).some(user => !group.includes(user)))
  if (!end || more.length > 0) return []
  const products = flow.users(end).every(user => takes(user, end.outputs[0])) ? flow.users(end) : []
  if (group.length + products.length < 2) return []
  group.push(...products)
  // What is made for the group alone comes along; weights that are cast are not cast twice.
  for (const node of group) {
    for (const maker of flow.makers(node)) {
      const view = maker.op === 'Transpose' || (maker.op === 'Cast' && !flow.graph.initializer(maker.inputs[0]))
      if (view && !group.includes(maker) && flow.users(maker).every(user => group.includes(user))) group.push(maker)
    }
  }
  return group
}

/** Whether the node is a product of the rows of `value` with a matrix. */
const takes = ({ op, inputs, attrs }: Node, value: string) =>
  /^(MatMul|FusedMatMul|Gemm|MatMulNBits)$/.test(op) && inputs.indexOf(value) === 0 && !attrs.transA

/** Who makes and who uses what. */
class Flow {
  private readonly used: Map<string, Node[]>
  private readonly made: Map<string, Node>

  constructor(readonly graph: Graph) {
    this.used = usersOf(graph)
    this.made = graph.producers()
  }

  users({ outputs }: Node): Node[] {
    return outputs.flatMap(output => this.used.get(output) ?? [])
  }

  makers({ inputs }: Node): Node[] {
    return inputs.flatMap(input => this.made.get(input) ?? [])
  }

  size({ outputs }: Node): string {
    return String(this.graph.shape(outputs[0]))
  }
}

/** Makes each group of nodes a part that is recomputed. */
function replace(graph: Graph, layers: Node[][], to: string): number {
  const place = new Map(layers.map(layer => [layer.at(-1)!, layer]))
  const inside = new Set(layers.flat())
  const used = usersOf(graph)
  const nodes: Node[] = []
  layers.forEach((layer, i) => {
    const own = new Set(layer)
    const outputs = layer.flatMap(node => node.outputs.filter(output => output && (output === to || (used.get(output) ?? []).some(user => !own.has(user))))) // biome-ignore format: one thought
    const entries = entriesOf(graph, layer)
    const part = outline(graph, graph.fresh(`layer${i}`), layer, entries, outputs)
    const blocks = { part, size: 0, entries: entries.map(value => ({ value })), axis: 0, unit: 1 }
    nodes.push(blocksNode(part.name, outputs, blocks))
  })
  graph.nodes = graph.nodes.flatMap(node => {
    const layer = place.get(node)
    if (layer) return [nodes[layers.indexOf(layer)]]
    return inside.has(node) ? [] : [node]
  })
  return layers.length
}

/** The values through which everything flows that goes from `from` to `to`, in order, `to` included. */
export function cutPoints(graph: Graph, from: string, to: string): string[] {
  const path = between(graph, [to], [from])
  const last = new Map<string, number>([[to, path.length]])
  path.forEach((node, i) => {
    for (const value of reads(node)) last.set(value, Math.max(i, last.get(value) ?? 0))
  })
  const open = new Set([from])
  const cuts: string[] = []
  path.forEach((node, i) => {
    for (const output of node.outputs) if ((last.get(output) ?? -1) > i) open.add(output)
    for (const value of reads(node)) if (last.get(value)! <= i) open.delete(value)
    const [only] = open
    if (open.size === 1 && node.outputs.includes(only)) cuts.push(only)
  })
  return cuts
}

/** The nodes of each layer, in order; what only one layer needs (sizes, transposed weights) belongs to it. */
function layersOf(graph: Graph, from: string, to: string): Node[][] {
  const cuts = new Set(cutPoints(graph, from, to))
  const pieces: Node[][] = [[]]
  for (const node of between(graph, [to], [from])) {
    pieces.at(-1)!.push(node)
    if (node.outputs.some(output => cuts.has(output))) pieces.push([])
  }
  const groups: Node[][] = []
  let before: string | undefined
  for (const piece of pieces) {
    if (!piece.some(multiplies)) continue
    const number = numberOf(piece)
    if (number !== undefined && number === before) groups.at(-1)!.push(...missing(groups.at(-1)!, piece, pieces))
    else groups.push(piece)
    before = number
  }
  const numbered = groups.filter(group => numberOf(group) !== undefined)
  return gathered(graph, from, numbered.length > 0 ? numbered : groups)
}

/** The piece, and before it the pieces without products that stand between it and its group. */
function missing(group: Node[], piece: Node[], pieces: Node[][]): Node[] {
  const end = pieces.findIndex(other => other.at(-1) === group.at(-1))
  return pieces.slice(end + 1, pieces.indexOf(piece) + 1).flat()
}

const multiplies = ({ op }: Node) => /^(MatMul|FusedMatMul|Gemm|MatMulNBits|Conv|InBlocks)$/.test(op)

/** The number of the layer in the names of nodes and weights. */
export function numberOf(nodes: Node[]): string | undefined {
  for (const { name, inputs } of nodes) {
    for (const text of [name, ...inputs]) {
      const found = /(?:layers?|blocks?|h)[./](\d+)[./]/.exec(text)
      if (found) return found[1]
    }
  }
  return undefined
}

/** The layers with what only one of them uses. */
function gathered(graph: Graph, from: string, layers: Node[][]): Node[][] {
  const owner = new Map<Node, number>()
  layers.forEach((layer, i) => {
    for (const node of layer) owner.set(node, i)
  })
  const used = usersOf(graph)
  const ends = new Set(graph.outputs)
  for (const node of graph.nodes.toReversed()) {
    if (owner.has(node) || node.outputs.includes(from)) continue
    const users = node.outputs.flatMap(output => (ends.has(output) ? [undefined] : (used.get(output) ?? [])))
    const [first] = users.map(user => user && owner.get(user))
    if (first !== undefined && users.every(user => user && owner.get(user) === first)) owner.set(node, first)
  }
  return layers.map((_, i) => graph.nodes.filter(node => owner.get(node) === i))
}

function usersOf(graph: Graph): Map<string, Node[]> {
  const users = new Map<string, Node[]>()
  for (const node of graph.nodes) for (const value of reads(node)) users.set(value, [...(users.get(value) ?? []), node])
  return users
}
