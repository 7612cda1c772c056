/**
 * Types of a node's outputs from those of its inputs: one rule per operator, in a table. What an operator leaves
 * undetermined comes out as an unknown rank or a fresh symbol, never as a guess.
 */

import { multiply, quotient, subtract, unknown } from './dims.ts'
import { gatherQuantized, groupQuery, INTEGER_PRODUCTS, multiHead } from './fused.ts'
import { INTEGERS } from './integers.ts'
import { dtypeOf, type Graph, type Node, type Tensor } from './ir.ts'
import {
  axisOf,
  boolean,
  branch,
  concat,
  conv,
  elementwise,
  expand,
  gather,
  gatherND,
  type Inference,
  loop,
  matmul,
  oneHot,
  reduction,
  reshape,
  SEQUENCES,
  same,
  slice,
  split,
  squeeze,
  topK,
  touched,
  undetermined,
  unsqueeze,
} from './shapes.ts'

/** Sets the types (and known integers) of the node's outputs in the graph. */
export function inferNode(graph: Graph, node: Node): void {
  const x = node.inputs.map(name => (name ? graph.type(name) : undefined))
  const int = (name: string, fallback: number) => (node.attrs[name] as number | undefined) ?? fallback
  const integers = (i: number) => (node.inputs[i] ? graph.integers(node.inputs[i]) : undefined)
  const context = { graph, node, x, int, integers }
  const types = (TABLE[node.op] ?? undetermined)(context)
  node.outputs.forEach((name, i) => {
    if (name) graph.types.set(name, types[i] ?? { dtype: x[0]?.dtype ?? 'float32' })
  })
  const values = INTEGERS[node.op]?.(context)
  if (values && node.outputs[0]) graph.known.set(node.outputs[0], values)
}

const table = (rule: Inference, ops: string) => Object.fromEntries(ops.split(' ').map(op => [op, rule]))

const TABLE: Record<string, Inference> = {
  ...table(same, 'Identity Neg Exp Log Sqrt Reciprocal Tanh Sigmoid Erf Relu Abs Not Softmax LogSoftmax Gelu QuickGelu FastGelu Sin Cos Floor Ceil Round Clip Softplus CumSum Trilu LayerNormalization SimplifiedLayerNormalization RMSNormalization RotaryEmbedding MRotaryEmbedding ScatterND ScatterElements Sign HardSwish Elu LeakyRelu Dropout TensorScatter BiasGelu'),
  ...table(elementwise(), 'Add Sub Mul Div Pow Mod Max Min Sum Mean And Or Xor PRelu'),
  ...table(elementwise('bool'), 'Equal Greater GreaterOrEqual Less LessOrEqual'),
  Where: c => [{ ...elementwise()(c)[0]!, dtype: c.x[1]!.dtype }],
  ...table(boolean, 'IsNaN IsInf'),
  ...table(reduction, 'ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSumExp'),
  ...table(matmul, 'MatMul FusedMatMul Gemm'),
  ...INTEGER_PRODUCTS,
  ...table(squeeze, 'Squeeze'),
  ...table(unsqueeze, 'Unsqueeze'),
  ...table(reshape, 'Reshape'),
  ...table(gather, 'Gather'),
  ...table(gatherND, 'GatherND'),
  ...table(concat, 'Concat'),
  ...table(split, 'Split'),
  ...table(slice, 'Slice'),
  ...table(expand, 'Expand'),
  ...table(conv, 'Conv'),
  ConvTranspose: ({ x, int }) => {
    const [data, kernel] = [x[0]!.shape, x[1]!.shape]
    const spatial = data?.slice(2).map(() => unknown())
    return [{ dtype: x[0]!.dtype, shape: data && kernel && [data[0], multiply(kernel[1], int('group', 1)), ...spatial!] }]
  },
  ...table(topK, 'TopK'),
  ...table(oneHot, 'OneHot'),
  ...SEQUENCES,
  ...table(loop, 'Loop'),
  ...table(branch, 'If'),
  InBlocks: ({ node }) => {
    const part = node.attrs.part as Graph
    return part.outputs.map(output => part.type(output))
  },
  LogPartition: ({ x }) => [x[0]!],
  EachPicture: ({ node }) => {
    const part = node.attrs.part as Graph
    const { dtype, shape } = part.type(part.outputs[0])
    return [{ dtype, shape: shape && [unknown(), ...shape.slice(1)] }]
  },
  Shape: ({ x, int }) => {
    const rank = x[0]!.shape?.length
    if (rank === undefined) return [{ dtype: 'int64', shape: [unknown()] }]
    const [start, end] = [axisOf(int('start', 0), rank), axisOf(int('end', rank), rank)]
    return [{ dtype: 'int64', shape: [Math.max(0, end - start)] }]
  },
  Size: () => [{ dtype: 'int64', shape: [] }],
  Cast: ({ x, int }) => [{ dtype: dtypeOf(int('to', 1)), shape: x[0]!.shape }],
  CastLike: ({ x }) => [{ dtype: x[1]!.dtype, shape: x[0]!.shape }],
  Transpose: ({ x, node }) => {
    const { dtype, shape } = x[0]!
    const perm = (node.attrs.perm as number[] | undefined) ?? shape?.map((_, i) => shape.length - 1 - i)
    return [{ dtype, shape: shape && perm!.map(i => shape[i]) }]
  },
  GatherElements: ({ x }) => [{ dtype: x[0]!.dtype, shape: x[1]!.shape }],
  Range: c => {
    const [start, limit, delta] = [0, 1, 2].map(i => c.integers(i)?.[0])
    const whole = c.x[0]!.dtype.includes('int')
    const length = whole && start !== undefined && limit !== undefined && delta === 1 ? subtract(limit, start) : unknown()
    return [{ dtype: c.x[0]!.dtype, shape: [length] }]
  },
  ConstantOfShape: c => {
    const rank = c.x[0]!.shape?.[0]
    const shape = c.integers(0) ?? (typeof rank === 'number' ? Array.from({ length: rank }, unknown) : undefined)
    return [{ dtype: (c.node.attrs.value as Tensor | undefined)?.dtype ?? 'float32', shape }]
  },
  Constant: ({ node }) => {
    const { value, value_int, value_ints, value_floats } = node.attrs
    if (value) return [{ dtype: (value as Tensor).dtype, shape: (value as Tensor).shape }]
    if (value_ints) return [{ dtype: 'int64', shape: [(value_ints as number[]).length] }]
    if (value_floats) return [{ dtype: 'float32', shape: [(value_floats as Float32Array).length] }]
    return [{ dtype: value_int === undefined ? 'float32' : 'int64', shape: [] }]
  },
  Flatten: ({ x, int }) => {
    const { dtype, shape } = x[0]!
    const axis = shape && axisOf(int('axis', 1), shape.length)
    return [{ dtype, shape: shape ? [quotient(shape.slice(0, axis), []), quotient(shape.slice(axis), [])] : [unknown(), unknown()] }]
  },
  Einsum: ({ x, node }) => {
    const [terms, made] = String(node.attrs.equation).replaceAll(' ', '').split('->')
    const { dtype } = x[0]!
    if (!made || /[^a-z,]/i.test(terms)) return [{ dtype }]
    const sizes = new Map(terms.split(',').flatMap((term, i) => [...term].map((letter, d) => [letter, x[i]!.shape?.[d]] as const)))
    return [{ dtype, shape: [...made].map(letter => sizes.get(letter) ?? unknown()) }]
  },
  Tile: c => {
    const { dtype, shape } = c.x[0]!
    const repeats = c.integers(1)
    return [{ dtype, shape: shape?.map((dim, i) => (repeats ? multiply(dim, repeats[i]) : unknown())) }]
  },
  ArgMax: c => [{ dtype: 'int64', shape: reduction({ ...c, node: { ...c.node, inputs: [c.node.inputs[0]], attrs: { axes: [c.int('axis', 0)] } } })[0]?.shape }],
  NonZero: ({ x }) => [{ dtype: 'int64', shape: [x[0]!.shape?.length ?? unknown(), unknown()] }],
  Pad: c => {
    const { dtype, shape } = c.x[0]!
    const axes = c.node.inputs[3] ? c.integers(3) : shape?.map((_, i) => i)
    return [{ dtype, shape: shape && (axes ? touched(shape, axes) : shape.map(() => unknown())) }]
  },
  Resize: c => {
    const { dtype, shape } = c.x[0]!
    const sizes = c.node.inputs[3] && !c.node.attrs.axes ? c.integers(3) : undefined
    return [{ dtype, shape: sizes ?? shape?.map(unknown) }]
  },
  ...table(groupQuery, 'GroupQueryAttention'),
  ...table(multiHead, 'MultiHeadAttention'),
  ...table(gatherQuantized, 'GatherBlockQuantized'),
  SkipSimplifiedLayerNormalization: ({ x }) => [x[0], undefined, undefined, x[0]],
  SkipLayerNormalization: ({ x }) => [x[0], undefined, undefined, x[0]],
} // biome-ignore format: a table
