/**
 * Attention in blocks of queries: softmax(Q Kᵀ · scale + bias) V, wherever a graph has it in primitives, becomes a part
 * (blocks.ts) in which only one block's scores exist at a time, forwards and backwards, so that memory grows with the
 * length and not with its square (Rabe & Staats 2021, arXiv 2112.05682; FlashAttention, arXiv 2205.14135, also cuts the
 * keys, which saves on-chip memory that a CPU's caches have). Causal: a block looks only at keys up to its own end, which
 * halves the work. Masks that are computed element by element from positions are computed block by block.
 * Left out: decoders that look ahead (their mask would have to be kept), attention between unlike sequences.
 */

import type { Graph, Node } from '../graph/ir.ts'
import { reads } from '../graph/prune.ts'
import { blocksNode, type Entry } from './blocks.ts'
import { outline } from './outline.ts'
import { between } from './reverse.ts'
import { swapsLastTwo } from './rules/matmul.ts'

/** What may stand between the scores and the softmax, or between the softmax and the product with the values. */
const CHAIN = new Set('Reshape Add Sub Mul Div Tanh Where Cast Identity Min Max Clip'.split(' '))
/** What masks are computed with. */
const MASK = new Set('Where And Or Not Equal Greater GreaterOrEqual Less LessOrEqual Add Sub Mul Cast Unsqueeze'.split(' ')) // biome-ignore format: one thought

/**
 * Rewrites the causal self-attentions that lie between the values `from` and `to` of `graph` in place.
 *
 * @param size queries in a block, given the number of heads
 * @returns how many were found
 */
export function attentionInBlocks(graph: Graph, from: string, to: string, size: (heads: number) => number): number {
  const found = between(graph, [to], [from])
    .filter(({ op }) => op === 'Softmax')
    .flatMap(softmax => new Match(graph, softmax).find())
  const gone = new Set(found.flatMap(({ nodes }) => nodes))
  const place = new Map(found.map(each => [each.last, each]))
  graph.nodes = graph.nodes.flatMap(node => {
    const each = place.get(node)
    if (!each) return gone.has(node) ? [] : [node]
    const { part, entries, unit, heads } = each
    const axis = graph.rank(node.outputs[0]) - 2
    return [blocksNode(part.name, node.outputs, { part, size: size(heads), entries, axis, unit })]
  })
  return found.length
}

interface Found {
  /** Nodes that the part replaces, and the last of them. */
  nodes: Node[]
  last: Node
  part: Graph
  entries: Entry[]
  /** Rows that a query makes: the query heads of a KV head. */
  unit: number
  heads: number
}

/** One attention being looked at. */
class Match {
  private readonly makers: Map<string, Node>
  private readonly users = new Map<string, Node[]>()
  private readonly entries = new Map<string, Entry>()
  /** Nodes of the part that stay where they are, too, for others use them. */
  private readonly copies: Node[] = []

  constructor(
    private readonly graph: Graph,
    private readonly softmax: Node,
  ) {
    this.makers = graph.producers()
    for (const node of graph.nodes) for (const value of reads(node)) this.users.set(value, [...(this.users.get(value) ?? []), node]) // biome-ignore format: one thought
  }

  find(): Found[] {
    const { graph, softmax } = this
    const rank = graph.shape(softmax.outputs[0])?.length
    const axis = (softmax.attrs.axis as number | undefined) ?? -1
    const up = this.climb(softmax.inputs[0])
    const down = this.descend(softmax.outputs[0])
    if (!rank || (axis !== -1 && axis !== rank - 1) || !up || !down) return []
    const [scores, ...chain] = up
    const last = down.at(-1)!
    const [query, key] = scores.inputs
    const depth = graph.rank(scores.outputs[0])
    if (depth < 3 || graph.shape(query)?.length !== depth || graph.shape(key)?.length !== depth) return []
    if (scores.attrs.transA || graph.rank(last.outputs[0]) !== depth) return []
    const split = chain.find(({ op, outputs }) => op === 'Reshape' && graph.shape(outputs[0])?.length === depth + 1)
    const group = split ? graph.shape(split.outputs[0])!.at(-2) : 1
    if (typeof group !== 'number') return []

    this.entries.set(query, { value: query, cut: depth - 2, unit: group })
    const turned = this.makers.get(key)
    const turns = turned !== undefined && swapsLastTwo(turned, depth) && !scores.attrs.transB
    const keys = turns ? turned.inputs[0] : key
    const keyAxis = turns || scores.attrs.transB ? depth - 2 : depth - 1
    this.entries.set(keys, { value: keys, prefix: keyAxis })
    this.entries.set(last.inputs[1], { value: last.inputs[1], prefix: depth - 2 })
    const inner = [...chain, softmax, ...down.slice(0, -1)]
    const own = [scores, ...inner, last]
    const made = new Set(own.flatMap(node => node.outputs))
    for (const node of inner) {
      const wide = graph.rank(node.outputs[0])
      for (const value of node.op === 'Reshape' ? [] : node.inputs)
        if (value && !made.has(value)) this.enter(value, wide > depth ? 3 : 2, 1, wide > depth ? 1 : group)
    }
    const nodes = [
      ...this.copies,
      ...(turns ? [turned] : []),
      ...own.flatMap(node => (node.op === 'Reshape' ? this.reshape(node, depth, group) : [node])),
    ]
    const entries = [...this.entries.values()]
    const part = outline(graph, graph.fresh('attention'), nodes, [...this.entries.keys()], last.outputs)
    const heads = graph.shape(query)!.slice(1, depth - 2).reduce<number>((a, b) => a * Number(b), group) // biome-ignore format: one thought
    return [{ nodes: own, last, part, entries, unit: group, heads: Number.isFinite(heads) ? heads : 1 }]
  }

  /** From the softmax up to the product that makes the scores; that product comes first. */
  private climb(value: string): Node[] | undefined {
    const node = this.makers.get(value)
    if (!node || this.users.get(value)!.length > 1) return undefined
    if (node.op === 'MatMul' || node.op === 'FusedMatMul') return [node]
    if (!CHAIN.has(node.op)) return undefined
    for (const input of node.op === 'Reshape' ? node.inputs.slice(0, 1) : node.inputs) {
      const path = input && this.climb(input)
      if (path) return [...path, node]
    }
    return undefined
  }

  /** From the softmax down to the product with the values, which comes last. */
  private descend(value: string): Node[] | undefined {
    const [node, ...others] = this.users.get(value) ?? []
    if (!node || others.length > 0 || node.inputs[0] !== value) return undefined
    if (node.op === 'MatMul') return [node]
    if (!CHAIN.has(node.op)) return undefined
    const path = this.descend(node.outputs[0])
    return path && [node, ...path]
  }

  /**
   * Makes a bias an input of the part, or, where it is a matrix over queries and keys that is computed from smaller
   * things, takes what computes it into the part. `row` and `column` are the axes of queries and keys, from the end.
   */
  private enter(value: string, row: number, column: number, unit: number): void {
    const { graph } = this
    if (graph.initializer(value)) {
      if (graph.initializer(value)!.shape.every(dim => dim === 1)) return
    }
    const shape = graph.shape(value)
    if (!shape) throw new Error(`attention: the rank of the bias ${value} is unknown`)
    const has = (axis: number) => axis <= shape.length && shape.at(-axis) !== 1
    const node = this.makers.get(value)
    if (has(row) && has(column) && node && MASK.has(node.op)) {
      if (this.copies.includes(node)) return
      if (node.op !== 'Unsqueeze') {
        for (const input of node.inputs) if (input) this.enter(input, row, column, unit)
        this.copies.push(node)
        return
      }
      const axes = graph.integers(node.inputs[1])?.map(Number)
      if (axes) {
        // An axis from the end is nearer to it by the axes that were put in behind it.
        const put = axes.map(axis => (axis < 0 ? -axis : shape.length - axis))
        const before = (axis: number) => axis - put.filter(at => at < axis).length
        this.enter(node.inputs[0], before(row), before(column), unit)
        this.copies.push(node)
        return
      }
    }
    const at = (axis: number) => shape.length - axis
    const entry = { value, ...(has(row) && { cut: at(row), unit }), ...(has(column) && { prefix: at(column) }) }
    this.entries.set(value, entry)
  }

  /** The reshape with sizes taken from what it gets in a block. */
  private reshape(node: Node, depth: number, group: number): Node[] {
    const { graph } = this
    const [x] = node.inputs
    const name = graph.fresh('Reshape')
    const wide = graph.rank(node.outputs[0]) > depth
    const head = graph.ints([...Array<number>(depth - 2).fill(0), -1, ...(wide ? [group] : [])])
    const make = (op: string, inputs: string[], output: string, attrs: Node['attrs'] = {}): Node => ({ op, domain: '', name: output, inputs, outputs: [output], attrs }) // biome-ignore format: one thought
    return [
      make('Shape', [x], `${name}/keys`, { start: -1 }),
      make('Concat', [head, `${name}/keys`], `${name}/sizes`, { axis: 0 }),
      { ...node, inputs: [x, `${name}/sizes`] },
    ]
  }
}
