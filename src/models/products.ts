/**
 * The linear layers of a graph under PyTorch's names of their modules, however its exporter stored their weights. Our
 * own graphs and newer exports keep a weight's name; others keep the module's path in the name of the node.
 */

import { type Graph, isFloatType, type Node } from '../graph/ir.ts'

/** A node x Wᵀ. */
export interface Product {
  /** As `model.layers.0.self_attn.q_proj`. */
  module: string
  /** (out, in) */
  shape: [number, number]
  /** The initializer W of floats, where it is one. */
  weight?: string
  /** Whether W is stored (in, out). */
  transposed: boolean
  /** Where the weights of several modules are one, the rows of each: q_proj, k_proj and v_proj of a packed qkv_proj. */
  parts?: { module: string; rows: number }[]
}

/** The product that `node` is, if it is one of a constant weight. `makers`: the producers of the graph's values. */
export function productOf(graph: Graph, node: Node, makers: Map<string, Node>): Product | undefined {
  const found = node.op === 'MatMulNBits' ? packed(node) : node.op === 'MatMul' ? plain(graph, node, makers) : undefined
  if (!found?.module) return undefined
  return { ...found, module: found.module, ...parts(graph, found.module, found.shape) }
}

type Found = Omit<Product, 'module'> & { module?: string }

/** Our own keep the weight's name, too (quantize.ts). */
const packed = (node: Node): Found => ({
  module: moduleOf(node) ?? /^(.*)\.weight_Q4$/.exec(node.inputs[1])?.[1],
  shape: [node.attrs.N as number, node.attrs.K as number],
  transposed: false,
})

function plain(graph: Graph, node: Node, makers: Map<string, Node>): Found | undefined {
  const { weight, transposed } = stored(node.inputs[1], makers)
  const { shape, dtype } = graph.initializer(weight) ?? {}
  if (shape?.length !== 2) return undefined
  const [first, second] = shape
  const module =
    /\.weight$/.test(weight) && !/\.MatMul\.weight$/.test(weight) ? weight.slice(0, -'.weight'.length) : moduleOf(node)
  const floats = isFloatType(dtype!) && { weight }
  return { module, shape: transposed ? [first, second] : [second, first], ...floats, transposed: !transposed }
}

const BEHIND = new Set(['Transpose', 'Cast', 'DequantizeLinear'])

/** What lies behind a Transpose and Casts, or in bytes. */
export function stored(value: string, makers: Map<string, Node>): { weight: string; transposed: boolean } {
  let [weight, transposed] = [value, false]
  for (let node = makers.get(weight); node && BEHIND.has(node.op); node = makers.get(weight)) {
    if (node.op === 'Transpose') transposed = !transposed
    weight = node.inputs[0]
  }
  return { weight, transposed }
}

/** /model/layers.0/attn/q_proj/MatMul_Q4 → model.layers.0.self_attn.q_proj */
export function moduleOf({ name }: Node): string | undefined {
  const path = /^\/(.*)\/MatMul[^/]*$/.exec(name)?.[1]
  return path?.replaceAll('/', '.').replace(/\.attn\.(?=[a-z]+_proj$)/, '.self_attn.')
}

function parts(graph: Graph, module: string, [out]: [number, number]): Pick<Product, 'parts'> {
  const attention = module.endsWith('.qkv_proj') && graph.nodes.find(({ op }) => op === 'GroupQueryAttention')
  if (!attention) return {}
  const [heads, kv] = [attention.attrs.num_heads, attention.attrs.kv_num_heads] as [number, number]
  const size = out / (heads + 2 * kv)
  const rows = { q_proj: heads * size, k_proj: kv * size, v_proj: kv * size }
  return { parts: Object.entries(rows).map(([name, rows]) => ({ module: module.replace(/qkv_proj$/, name), rows })) }
}
