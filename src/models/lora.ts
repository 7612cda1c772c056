/**
 * Low-rank adapters (Hu et al. 2021) in a graph: a product x Wᵀ whose weight has one becomes x Wᵀ + s · (x Aᵀ) Bᵀ.
 * W stays as it is stored, be it of floats or of four bits. Training gives A and B from its state, sampling from a saved adapter.
 */

import { copyOf } from '../graph/copy.ts'
import { DTYPE_CODES, Graph, type Node, type Tensor } from '../graph/ir.ts'
import { type Product, productOf } from './products.ts'

export interface LowRank {
  /** Name and value of A (rank, in) and of B (out, rank). */
  a: { name: string; start: Tensor }
  b: { name: string; start: Tensor }
  /** alpha / rank */
  scale: number
}

/** Where an adapted module lies in the graph. */
export interface Place extends Product {
  /** The first of the weight's rows (out) that are the module's: not 0 where modules are packed into one. */
  from: number
}

/**
 * `graph` with adapters beside its weights, in the branches of an If too; another graph, the nodes shared.
 *
 * @param adapterOf the adapter of a module with a weight (out, in); undefined where it has none
 */
export function beside(
  graph: Graph,
  adapterOf: (module: string, shape: [number, number], place: Place) => LowRank | undefined,
  parent?: Graph,
): Graph {
  const makers = graph.producers()
  const put = (g: Graph, node: Node) => {
    const product = productOf(graph, node, makers)
    if (!product) {
      const attrs = Object.entries(node.attrs).map(([key, value]) => [key, value instanceof Graph ? beside(value, adapterOf, g) : value]) // biome-ignore format: one thought
      return g.add({ ...node, attrs: Object.fromEntries(attrs) })
    }
    const [out, into] = product.shape
    const whole = adapterOf(product.module, product.shape, { ...product, from: 0 })
    if (whole) return addBeside(g, node, [{ adapter: whole, rows: out }])
    let from = 0
    const each = (product.parts ?? []).map(({ module, rows }) => {
      const adapter = adapterOf(module, [rows, into], { ...product, module, shape: [rows, into], from })
      from += rows
      return { adapter, rows }
    })
    if (each.some(({ adapter }) => adapter)) addBeside(g, node, each)
    else g.add(node)
  }
  return copyOf(graph, put, undefined, parent)
}

function addBeside(g: Graph, node: Node, parts: { adapter?: LowRank; rows: number }[]): void {
  const [[x], [output]] = [node.inputs, node.outputs]
  const plain = `${output}/plain`
  g.add({ ...node, outputs: [plain] })
  const { dtype } = g.type(x)
  const times = (y: string, name: string) =>
    g.op('MatMul', [y, g.op('Transpose', [as(g, name, dtype)], { perm: [1, 0] })])
  const low = parts.map(({ adapter, rows }) => {
    if (!adapter) return nothing(g, x, rows)
    for (const { name, start } of [adapter.a, adapter.b]) g.weight(name, start)
    const made = times(times(x, adapter.a.name), adapter.b.name) // (…, in) → (…, rank) → (…, out)
    return g.op('Mul', [made, g.scalar(adapter.scale, dtype)])
  })
  const inputs = [plain, low.length > 1 ? g.op('Concat', low, { axis: -1 }) : low[0]]
  g.add({ op: 'Add', domain: '', name: `${output}/adapted`, inputs, outputs: [output], attrs: {} })
}

/** Zeros (…, rows) for x (…, in). */
function nothing(g: Graph, x: string, rows: number): string {
  const shape = g.op('Concat', [g.op('Shape', [x], { start: 0, end: -1 }), g.ints([rows])], { axis: 0 })
  return as(g, g.op('ConstantOfShape', [shape]), g.type(x).dtype)
}

const as = (g: Graph, value: string, dtype: Tensor['dtype']) =>
  g.type(value).dtype === dtype ? value : g.op('Cast', [value], { to: DTYPE_CODES[dtype] })
