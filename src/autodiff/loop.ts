/**
 * Writes the Loops over blocks of rows that parts (blocks.ts) and gradients become. What is made inside lives for one
 * block; what blocks have in common is added up, what is each block's own is laid together.
 */

import { multiply } from '../graph/dims.ts'
import { inline } from '../graph/inline.ts'
import { type Dim, DTYPE_CODES, type DType, Graph } from '../graph/ir.ts'
import { added } from './added.ts'
import type { Blocks } from './blocks.ts'
import { padded } from './writer.ts'

/**
 * A Loop over blocks being written. All blocks have the same number of rows, for what they give is laid together;
 * the rows that are missing in the last one are zeros.
 */
export class BlockLoop {
  readonly body: Graph
  private readonly index: string
  private readonly count: string
  private readonly rows: string
  private readonly total: string
  /** Sizes, where they are known, else names of them: blocks, rows of one, rows of all together. */
  private readonly sizes: { count: Dim; rows: Dim; all: Dim }
  /** Whether it is known that no row is missing in the last block. */
  private whole = false
  private readonly start: string
  private readonly end: string
  private readonly carried: { initial: string; made: string; dtype?: DType }[] = []
  private readonly stacked: string[] = []

  constructor(
    private readonly graph: Graph,
    private readonly blocks: Pick<Blocks, 'size' | 'entries'>,
  ) {
    const first = blocks.entries.find(({ cut }) => cut !== undefined)!
    const ints = (n: number) => graph.ints([n])
    const length = graph.op('Shape', [first.value], { start: first.cut!, end: first.cut! + 1 })
    this.total = graph.op('Div', [length, ints(first.unit ?? 1)])
    this.count = this.quotient(this.total, ints(blocks.size))
    this.rows = this.quotient(this.total, this.count)
    this.body = new Graph(graph.fresh('blocks'), graph)
    const { body } = this
    const known = graph.shape(first.value)![first.cut!]
    this.sizes = { count: `${body.name}.count`, rows: `${body.name}.rows`, all: `${body.name}.all` }
    if (typeof known === 'number') {
      const total = known / (first.unit ?? 1)
      const count = Math.max(1, Math.ceil(total / blocks.size))
      const rows = Math.max(1, Math.ceil(total / count))
      this.sizes = { count, rows, all: count * rows }
      this.whole = count * rows === total
    }
    this.index = body.input(`${body.name}/index`, 'int64', [])
    body.input(`${body.name}/go`, 'bool', [])
    if (!graph.integers(this.rows)) graph.known.set(this.rows, [this.sizes.rows])
    this.start = body.op('Mul', [body.op('Reshape', [this.index, body.ints([1])]), this.rows])
    this.end = body.op('Add', [this.start, this.rows])
  }

  /** ⌈a / b⌉, at least 1. */
  private quotient(a: string, b: string): string {
    const { graph } = this
    const up = graph.op('Div', [graph.op('Sub', [graph.op('Add', [a, b]), graph.ints([1])]), b])
    return graph.op('Max', [up, graph.ints([1])])
  }

  /** The inputs of the part in this block, cut but not yet shortened to their prefix. */
  entries(): string[] {
    return this.blocks.entries.map(({ value, cut, unit }) => (cut === undefined ? value : this.piece(value, cut, unit)))
  }

  /** The block's own rows of a value of the graph around. */
  piece(value: string, axis: number, unit = 1): string {
    const { graph, body } = this
    const { dtype, shape } = graph.type(value)
    const times = graph.ints([unit])
    const full = this.whole ? value : this.filledUp(value, axis, unit)
    const [from, to] = [this.start, this.end].map(at => body.op('Mul', [at, times]))
    const piece = body.op('Slice', [full, from, to, graph.ints([axis])])
    const rows = multiply(this.sizes.rows, unit)
    body.types.set(piece, { dtype, shape: shape!.map((dim, i) => (i === axis ? rows : dim)) })
    return piece
  }

  /** The value with zeros for the rows that are missing. */
  private filledUp(value: string, axis: number, unit: number): string {
    const { graph } = this
    const { dtype, shape } = graph.type(value)
    const lacking = graph.op('Sub', [graph.op('Mul', [this.count, this.rows]), this.total])
    const ends = graph.op('Concat', [graph.ints([0]), graph.op('Mul', [lacking, graph.ints([unit])])], { axis: 0 })
    const full = padded(graph, value, ends, graph.ints([axis]))
    graph.types.set(full, { dtype, shape: shape!.map((dim, i) => (i === axis ? multiply(this.sizes.all, unit) : dim)) })
    return full
  }

  /** Runs a part on its inputs; prefixes are cut here, so that the gradient goes through the cut. */
  runPart(part: Graph, inputs: string[]): string[] {
    const { body, blocks } = this
    const { entries } = blocks
    const bindings = part.inputs.map((input, i) => {
      const { prefix } = entries[i]
      if (prefix === undefined) return [input, inputs[i]]
      const { dtype, shape } = body.type(inputs[i])
      const cut = body.op('Slice', [inputs[i], body.ints([0]), this.end, body.ints([prefix])])
      body.types.set(cut, { dtype, shape: shape!.map((dim, d) => (d === prefix ? `${body.name}.keys` : dim)) })
      return [input, cut]
    })
    const made = inline(body, part, Object.fromEntries(bindings), body.fresh('part'))
    return part.outputs.map(output => made[output])
  }

  /** Adds `made` up over the blocks, in single precision, for there may be many. */
  sum(made: string, like: string): void {
    const { body, graph } = this
    const { dtype, shape } = graph.type(like)
    const half = dtype === 'float16' || dtype === 'bfloat16'
    const initial = graph.op('ConstantOfShape', [graph.ints(shape!.map(() => 1))])
    const carried = body.input(body.fresh('sum'), half ? 'float32' : dtype, shape!.map((_, i) => `${body.name}.${this.carried.length}.${i}`)) // biome-ignore format: one thought
    const next = added(body, carried, half ? body.op('Cast', [made], { to: DTYPE_CODES.float32 }) : made)
    body.types.set(next, { dtype: half ? 'float32' : dtype, shape })
    this.carried.push({ initial, made: next, ...(half && { dtype }) })
  }

  /** Lays the blocks' `made` on each other. */
  stack(made: string): void {
    this.stacked.push(made)
  }

  /** Writes the Loop. @returns the sums, then the stacks (blocks, …) */
  finish(): string[] {
    const { graph, body } = this
    body.output(body.op('Identity', [`${body.name}/go`]))
    for (const { made } of this.carried) body.output(made)
    for (const made of this.stacked) body.output(made)
    const count = graph.op('Squeeze', [this.count, graph.ints([0])])
    const initial = this.carried.map(each => each.initial)
    const outputs = [...graph.many('Loop', [count, '', ...initial], body.outputs.length - 1, { body })]
    this.carried.forEach(({ made }, i) => {
      graph.types.set(outputs[i], body.type(made))
    })
    this.stacked.forEach((made, i) => {
      const { dtype, shape } = body.type(made)
      graph.types.set(outputs[this.carried.length + i], { dtype, shape: [this.sizes.count, ...shape!] })
    })
    this.carried.forEach(({ dtype }, i) => {
      if (dtype) outputs[i] = graph.op('Cast', [outputs[i]], { to: DTYPE_CODES[dtype] })
    })
    return outputs
  }

  /** A stack (blocks, …, rows, …) as one tensor of `shape`. */
  joined(stack: string, axis: number, unit: number, shape: Dim[]): string {
    const { graph } = this
    const rank = shape.length
    const perm = Array.from({ length: rank + 1 }, (_, i) => (i < axis ? i + 1 : i === axis ? 0 : i))
    const beside = axis === 0 ? stack : graph.op('Transpose', [stack], { perm }) // (…, blocks, rows, …)
    const sizes = graph.op('Shape', [beside])
    const around = (start: number, end: number) =>
      graph.op('Slice', [sizes, graph.ints([start]), graph.ints([end]), graph.ints([0])])
    const target = [
      ...(axis > 0 ? [around(0, axis)] : []),
      graph.ints([-1]),
      ...(axis + 1 < rank ? [around(axis + 2, rank + 1)] : []),
    ]
    const long = graph.op('Reshape', [beside, target.length > 1 ? graph.op('Concat', target, { axis: 0 }) : target[0]])
    if (this.whole) {
      graph.types.set(long, { dtype: graph.type(stack).dtype, shape })
      return long
    }
    const end = graph.op('Mul', [this.total, graph.ints([unit])])
    const cut = graph.op('Slice', [long, graph.ints([0]), end, graph.ints([axis])])
    graph.types.set(cut, { dtype: graph.type(stack).dtype, shape })
    return cut
  }
}
