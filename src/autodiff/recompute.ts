/**
 * Recomputation of activations: the nodes of each layer become one part (blocks.ts), of which only the input is kept for
 * the backward pass. Layers are found from the flow of the graph: a value through which everything flows that comes later
 * is a cut; what lies between two cuts can be worked out again from the first. Cuts with the same number in their names
 * (`layers.7.`) are one layer. Left out: choosing which layers (all are recomputed).
 */

import type { Graph, Node } from '../graph/ir.ts'
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

/** Element-wise operators that gated feed-forward layers are made of. */
const CHEAP = new Set('Sigmoid Tanh Erf Gelu QuickGelu Relu Softplus Mul Add Sub Div Neg Exp'.split(' '))
const STARTS = new Set('Sigmoid Tanh Erf Gelu Relu Softplus'.split(' '))

/**
 * The same for what follows an activation function element by element, as in SwiGLU: of gate σ(gate) up only gate, up and
 * the result are kept, and not the two arrays between. Costs next to nothing (Korthikanti et al. 2022, arXiv 2205.05198).
 *
 * @returns how many were found
 */
export function recomputeActivations(graph: Graph, from: string, to: string): number {
  const used = usersOf(graph)
  const taken = new Set<Node>()
  const groups = between(graph, [to], [from]).flatMap(start => {
    if (!STARTS.has(start.op) || taken.has(start)) return []
    const group = [start]
    for (const node of group) {
      const size = String(graph.shape(node.outputs[0]))
      for (const user of used.get(node.outputs[0]) ?? [])
        if (CHEAP.has(user.op) && String(graph.shape(user.outputs[0])) === size && !group.includes(user))
          group.push(user)
    }
    const own = new Set(group)
    const ends = group.filter(node => (used.get(node.outputs[0]) ?? []).some(user => !own.has(user)))
    if (group.length < 2 || ends.length !== 1 || group.some(node => taken.has(node))) return []
    for (const node of group) taken.add(node)
    return [graph.nodes.filter(node => own.has(node))]
  })
  return replace(graph, groups, to)
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
