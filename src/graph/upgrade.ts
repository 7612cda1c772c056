/**
 * Graphs of older operator sets in the words of the one that ours are written in, so that parts of both can stand in
 * one model: axes and sizes that were attributes became inputs. Left out: what sets before 11 had otherwise.
 */

import { UserError } from '../errors.ts'
import { type Attribute, Graph, type Model, type Node, OPSETS } from './ir.ts'

/** The model in our operator set; itself where it is in that or in a newer one. Throws a UserError before set 11. */
export function upgraded(model: Model): Model {
  const version = model.opsets[''] ?? OPSETS['']
  if (version >= OPSETS['']) return model
  if (version < 11) throw new UserError(`ONNX operator set ${version}: expected 11 or newer. Export the model anew`)
  rewrite(model.graph, version)
  return { ...model, opsets: { ...model.opsets, '': OPSETS[''] } }
}

/** Operator → the set in which `axes` became its second input. */
const AXES: Record<string, number> = {
  Squeeze: 13, Unsqueeze: 13, ReduceSum: 13, ReduceMean: 18, ReduceMax: 18, ReduceMin: 18, ReduceProd: 18, ReduceL1: 18,
  ReduceL2: 18, ReduceLogSum: 18, ReduceLogSumExp: 18, ReduceSumSquare: 18,
} // biome-ignore format: a table

/** In place. Nodes of any domain but ONNX's own stay. */
function rewrite(graph: Graph, version: number): void {
  for (const node of graph.nodes) {
    for (const inner of Object.values(node.attrs)) if (inner instanceof Graph) rewrite(inner, version)
    if (node.domain !== '') continue
    if (version < AXES[node.op]) asInput(graph, node, 'axes')
    if (node.op === 'Split' && version < 13) asInput(graph, node, 'split')
    if (node.op === 'Split' && version < 18 && !node.inputs[1])
      node.attrs = { ...node.attrs, num_outputs: node.outputs.length }
    if (version < 13 && (node.op === 'Softmax' || node.op === 'LogSoftmax')) lastAxis(graph, node)
    if (version < 12 && node.op === 'Dropout') node.attrs = {} // nothing is dropped outside training
  }
}

function asInput(graph: Graph, node: Node, name: 'axes' | 'split'): void {
  const { [name]: values, ...rest } = node.attrs as Record<string, Attribute>
  if (values === undefined) return
  node.attrs = rest
  node.inputs = [node.inputs[0], graph.ints(values as number[])]
}

/** Before set 13 all axes from `axis` on were one, which is the same for the last. */
function lastAxis(graph: Graph, node: Node): void {
  const axis = (node.attrs.axis as number | undefined) ?? 1
  const rank = graph.shape(node.inputs[0])?.length
  if (axis !== -1 && axis + 1 !== rank)
    throw new UserError(`node ${node.name}: ${node.op} over several axes is not supported. Export the model anew`)
  node.attrs = { ...node.attrs, axis }
}
