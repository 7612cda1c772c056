/**
 * Products of bytes, as ONNX Runtime's dynamic quantizer makes them of a model (the Hub's `_quantized`, `_int8`, `_uint8`),
 * written as products of floats with weights that come in bytes. The quantizer's own round the activations of a whole
 * batch on one scale, so that a row's text would depend on the rows beside it; and they have no gradient.
 */

import { Graph, type Node } from './ir.ts'
import { prune } from './prune.ts'

const PRODUCTS: Record<string, { op: string; axis: number }> = {
  MatMulInteger: { op: 'MatMul', axis: 1 },
  ConvInteger: { op: 'Conv', axis: 0 },
}

/** Rewrites `graph` and its branches in place; what is not as the quantizer writes it stays. */
export function inFloats(graph: Graph): void {
  for (const node of graph.nodes)
    for (const part of Object.values(node.attrs)) if (part instanceof Graph) inFloats(part)
  if (!graph.nodes.some(({ op }) => op in PRODUCTS)) return
  const makers = graph.producers()
  const nodes: Node[] = []
  const floats = new Set<string>()
  for (const node of graph.nodes) {
    const found = scaled(graph, node, makers)
    if (!found) {
      nodes.push(node)
      continue
    }
    const { product, x, scale } = found
    const { op, axis } = PRODUCTS[product.op]
    const [, weight, , zero] = product.inputs
    const whole = `${weight}/floats`
    if (!floats.has(whole)) {
      const inputs = [weight, scale, ...(zero ? [zero] : [])]
      nodes.push({ op: 'DequantizeLinear', domain: '', name: whole, inputs, outputs: [whole], attrs: { axis } })
      graph.types.set(whole, { dtype: 'float32', shape: graph.shape(weight) })
      floats.add(whole)
    }
    nodes.push({ ...product, op, inputs: [x, whole], outputs: node.outputs })
  }
  graph.nodes = nodes
  prune(graph)
}

/** Whether `node` is the Mul that gives a product of bytes its scale: of which product, of what floats, with what scale of the weight. */
function scaled(graph: Graph, node: Node, makers: Map<string, Node>) {
  if (node.op !== 'Mul') return undefined
  const behind = (value: string, ...ops: string[]) => {
    const maker = makers.get(value)
    return maker && ops.includes(maker.op) ? maker : undefined
  }
  for (const [value, factor] of [node.inputs, node.inputs.toReversed()]) {
    const cast = behind(value, 'Cast')
    const product = cast && behind(cast.inputs[0], ...Object.keys(PRODUCTS))
    const rounded = product && behind(product.inputs[0], 'DynamicQuantizeLinear')
    const scales = behind(behind(factor, 'Reshape')?.inputs[0] ?? factor, 'Mul')
    const scale = scales?.inputs.find(input => input !== rounded?.outputs[1])
    const tensor = scale === undefined ? undefined : graph.initializer(scale)
    if (!rounded || !scales?.inputs.includes(rounded.outputs[1]) || !tensor) continue
    const along = graph.shape(product!.inputs[1])?.[PRODUCTS[product!.op].axis]
    if (tensor.shape.length === 0 || tensor.shape.join() === String(along))
      return { product: product!, x: rounded.inputs[0], scale: scale! }
  }
  return undefined
}
