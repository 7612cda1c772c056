/** The cases of each rule: shapes with and without broadcasting, batch axes, negative axes, every attribute it reads. */

import { blocksNode, type Entry } from '../../src/autodiff/blocks.ts'
import { outline } from '../../src/autodiff/outline.ts'
import { float, type Graph } from '../../src/graph/ir.ts'
import { any, bools, type Case, distinct, fixed, type Input, ints, nonzero, positive } from './check.ts'

const on = (...inputs: Input[]): Case => ({ inputs })
const zero = (...shape: number[]) => ({ ...any(...shape), draw: () => 0 })
const unary = [on(any(2, 3)), on(any())]
const positiveUnary = [on(positive(2, 3))]
const kinked = [on(nonzero(2, 5))]
const broadcasting = (a: typeof any, b: typeof any = a): Case[] => [
  on(a(2, 3), b(2, 3)),
  on(a(2, 3, 4), b(4)),
  on(a(3, 1), b(2, 1, 4)),
  on(a(1, 1), b(2, 1)),
  on(a(), b(2, 3)),
]
/** `make` of x as a part that is worked off in blocks, and something after it on which its gradient depends, unless `last`. */
const inBlocks = (inputs: Input[], entries: Omit<Entry, 'value'>[], size: number, axis: number, make: (g: Graph, x: string[]) => string[], last = false): Case => ({
  inputs,
  build: (g, x) => {
    const before = g.nodes.length
    const made = make(g, x)
    const nodes = g.nodes.splice(before)
    const part = outline(g, 'part', nodes, x, made)
    g.add(blocksNode('part', made, { part, size, axis, unit: 1, entries: entries.map((entry, i) => ({ value: x[i], ...entry })) }))
    return last ? made : made.map(value => g.op('Mul', [value, value]))
  },
}) // biome-ignore format: one thought
const partition = (slice: number): Case => ({
  inputs: [any(3, 4), any(6, 4)],
  build: (g, [h, w]) => {
    const logits = g.op('MatMul', [h, g.op('Transpose', [w], { perm: [1, 0] })])
    const value = g.op('ReduceLogSumExp', [logits, g.ints([1])])
    g.add({ op: 'LogPartition', domain: 'sophia', name: 'z', inputs: [value, h, w], outputs: ['z'], attrs: { slice } })
    return 'z'
  },
})
/** A tower that makes one feature of four patches, each beside the mean of its own picture's, and takes one picture. */
const tower = (g: Graph, [pixels, grids, w]: string[]) => {
  const before = g.nodes.length
  const hidden = g.op('Tanh', [g.op('MatMul', [g.op('Reshape', [pixels, g.ints([-1, 8])]), w])])
  const made = g.op('Mul', [hidden, g.op('ReduceMean', [hidden, g.ints([0])])])
  const part = outline(g, 'part', g.nodes.splice(before), [pixels, grids, w], [made])
  g.add({ op: 'EachPicture', domain: 'sophia', name: 'part', inputs: [pixels, grids, w], outputs: [made], attrs: { part } })
  return g.op('Mul', [made, made])
} // biome-ignore format: one thought
const attended = (g: Graph, [q, k, v, bias]: string[]) => {
  const scores = g.op('Add', [g.op('MatMul', [q, g.op('Transpose', [k], { perm: [0, 2, 1] })]), bias])
  return [g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), v])]
}
const causal = (n: number) => fixed({ ...any(n, n), draw: (_, i) => (i % n > Math.floor(i / n) ? -1e9 : 0) })
const picked = (g: Graph, [x, labels]: string[]) =>
  g.op('GatherElements', [g.op('LogSoftmax', [x], { axis: -1 }), labels], { axis: 1 })
const classified = (g: Graph, [x, w, labels]: string[]) => {
  const logs = g.op('LogSoftmax', [g.op('MatMul', [x, g.op('Transpose', [w], { perm: [1, 0] })])], { axis: -1 })
  return [g.op('GatherElements', [logs, labels], { axis: 1 })]
}
/** A case whose last inputs are int64 constants of the graph. */
const withInts = (op: string, inputs: Input[], constants: number[][], attrs: Case['attrs'] = {}): Case => ({
  inputs,
  build: (g, x) => g.op(op, [...x, ...constants.map(c => g.ints(c))], attrs),
})
const reductions = (op: string, a: typeof any = any): Case[] => [
  withInts(op, [a(2, 3, 4)], [[1]]),
  withInts(op, [a(2, 3, 4)], [[-1, 0]], { keepdims: 0 }),
  withInts(op, [a(2, 3)], [], { keepdims: 0 }),
]
/** x (…, K) by packed weights (N, K), as ONNX Runtime's quantizers lay them; bytes are drawn, so are zero points. */
const packed = (K: number, { bits = 4, zeros = false, bias = false, N = 6, block = 16 } = {}): Case => ({
  inputs: [any(2, 3, K)],
  build: (g, [x]) => {
    const blocks = Math.ceil(K / block)
    const bytes = (...shape: number[]) => {
      const data = Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i * 89 + K) % 251)
      return g.weight(g.fresh('bytes'), { dtype: 'uint8', shape, data })
    }
    const scales = g.floats(Array.from({ length: N * blocks }, (_, i) => (0.02 + 0.01 * (i % 5)) / (bits === 8 ? 16 : 1)), [N, blocks]) // biome-ignore format: one thought
    const points = zeros ? bytes(N, Math.ceil((blocks * bits) / 8)) : ''
    const added = bias ? ['', g.floats([1, 2, 3, 4, 5, 6], [N])] : []
    return g.op('MatMulNBits', [x, bytes(N, blocks, (block * bits) / 8), scales, points, ...added], { K, N, bits, block_size: block }) // biome-ignore format: one thought
  },
})
const constantly0 = [{ inputs: [nonzero(2, 3)] }]
const scatter = (reduction: string) => ({ reduction })
const multiple = (op: string, x: string[], count: number, attrs: Case['attrs'] = {}) => (g: Graph) => g.many(op, x, count, attrs) // biome-ignore format: one thought

export const CASES: Record<string, Case[]> = {
  MatMulNBits: [
    packed(32),
    packed(32, { zeros: true }),
    packed(48, { zeros: true, bias: true }),
    packed(40, { zeros: true }),
    packed(64, { bits: 8, block: 32 }),
    packed(64, { bits: 8, zeros: true, block: 32 }),
  ],
  Identity: unary,
  Dropout: unary,
  Cast: [{ inputs: [any(2, 3)], build: (g, [x]) => g.op('Cast', [g.op('Cast', [x], { to: 11 })], { to: 1 }) }],
  CastLike: [{ inputs: [any(2, 3)], build: (g, [x]) => g.op('CastLike', [x, g.scalar(1)]) }],

  Add: broadcasting(any),
  Sum: [...broadcasting(any), on(any(2, 3), any(3), any(1, 3))],
  Sub: broadcasting(any),
  Mul: broadcasting(any),
  Div: broadcasting(any, positive),
  Neg: unary,
  Reciprocal: positiveUnary,
  Pow: [
    ...broadcasting(positive),
    ...[2, 3, 0.5].map(p => ({ inputs: [positive(2, 3)], build: (g: Graph, [x]: string[]) => g.op('Pow', [x, g.scalar(p)]) })),
  ], // biome-ignore format: one thought
  Sqrt: positiveUnary,
  Exp: unary,
  Log: positiveUnary,
  Sin: unary,
  Cos: unary,
  Abs: kinked,
  Max: [on(nonzero(2, 4), zero(4)), on(zero(3, 1), nonzero(2))],
  Min: [on(nonzero(2, 4), zero(4)), on(zero(3, 1), nonzero(2))],
  Clip: [[-0.1, 0.1], [0]].map(bounds => ({
    inputs: [nonzero(2, 5)],
    build: (g: Graph, [x]: string[]) => g.op('Clip', [x, ...(bounds.length < 2 ? [''] : []), ...bounds.map(b => g.scalar(b))]),
  })),
  Where: [on(bools([2, 3]), any(2, 3), any(2, 3)), on(bools([2, 1, 3]), any(2, 1), any(1)), on(bools([3]), any(), any(2, 3))],
  Sign: constantly0,
  Floor: [on({ ...any(2, 3), draw: u => 0.2 + 0.5 * u })],
  Ceil: [on({ ...any(2, 3), draw: u => 0.2 + 0.5 * u })],
  Round: [on({ ...any(2, 3), draw: u => 0.1 + 0.3 * u })],
  Relu: kinked,
  LeakyRelu: [...kinked, { inputs: [nonzero(2, 5)], attrs: { alpha: float(0.3) } }],
  Softplus: unary,
  Tanh: unary,
  Sigmoid: unary,
  Erf: unary,
  Gelu: [on(any(2, 3)), { inputs: [any(2, 3)], attrs: { approximate: 'tanh' } }],

  MatMul: [
    on(any(3, 4), any(4, 2)),
    on(any(2, 3, 4), any(4, 5)),
    on(any(2, 2, 3, 4), any(2, 2, 4, 3)),
    on(any(2, 1, 3, 4), any(3, 4, 2)),
    on(any(3, 4), any(2, 4, 3)),
    on(any(4), any(4, 3)),
    on(any(2, 3, 4), any(4)),
    on(any(4), any(2, 4, 3)),
    on(any(4), any(4)),
    // A Linear layer as checkpoints hold it: (out, in).
    { inputs: [any(2, 3, 4), any(5, 4)], build: (g, [x, w]) => g.op('MatMul', [x, g.op('Transpose', [w], { perm: [1, 0] })]) },
    { inputs: [any(2, 2, 3, 4), any(2, 2, 5, 4)], build: (g, [q, k]) => g.op('MatMul', [q, g.op('Transpose', [k], { perm: [0, 1, 3, 2] })]) },
    { inputs: [any(4, 3), any(4, 5)], build: (g, [a, b]) => g.op('MatMul', [g.op('Transpose', [a]), b]) },
  ],
  FusedMatMul: [0, 1].flatMap(transA => [0, 1].flatMap(transB => [[], [2], [2, 3]].flatMap(batch => {
    const attrs = { transA, transB, alpha: float(0.7) }
    const [a, b] = [any(...batch, ...(transA ? [4, 3] : [3, 4])), any(...batch, ...(transB ? [2, 4] : [4, 2]))]
    return [{ inputs: [a, b], attrs }, { inputs: [a, any(...(transB ? [2, 4] : [4, 2]))], attrs }]
  }))),
  Gemm: [0, 1].flatMap(transA => [0, 1].map(transB => ({
    inputs: [any(...(transA ? [4, 3] : [3, 4])), any(...(transB ? [2, 4] : [4, 2])), any(2)],
    attrs: { transA, transB, alpha: float(0.5), beta: float(2) },
  }))),
  Conv: [
    { inputs: [any(2, 3, 4, 6), any(5, 3, 2, 3), any(5)], attrs: { strides: [2, 3] } },
    on(any(2, 3, 5, 4), any(2, 3, 3, 2)),
    { inputs: [any(1, 2, 6, 5), any(3, 2, 3, 3), any(3)], attrs: { strides: [2, 2], pads: [1, 1, 1, 1] } },
    { inputs: [any(1, 2, 8, 7), any(3, 2, 3, 2)], attrs: { strides: [2, 1], dilations: [2, 3], pads: [0, 1, 1, 0] } },
    { inputs: [any(2, 3, 7), any(4, 3, 2)], attrs: { strides: [3] } },
    { inputs: [any(1, 2, 5, 4), any(3, 2, 2, 2)], attrs: { strides: [2, 2], auto_pad: 'VALID' } },
    { inputs: [any(1, 4, 5, 5), fixed(any(4, 2, 3, 3))], attrs: { group: 2 } },
  ],

  Reshape: [withInts('Reshape', [any(2, 3, 4)], [[-1, 4]]), withInts('Reshape', [any(2, 3)], [[0, 1, -1]])],
  Squeeze: [withInts('Squeeze', [any(2, 1, 3, 1)], [[1, -1]])],
  Unsqueeze: [withInts('Unsqueeze', [any(2, 3)], [[0, -1]])],
  Flatten: [{ inputs: [any(2, 3, 4)], attrs: { axis: 2 } }],
  Expand: [withInts('Expand', [any(3, 1)], [[2, 1, 4]]), withInts('Expand', [any(2, 3)], [[1, 1]])],
  Transpose: [{ inputs: [any(2, 3, 4)], attrs: { perm: [2, 0, 1] } }, on(any(2, 3)), { inputs: [any(2, 3, 4)], attrs: { perm: [0, 2, 1] } }],
  Concat: [{ inputs: [any(2, 3), any(2, 2), any(2, 1)], attrs: { axis: -1 } }, { inputs: [any(2, 3)], attrs: { axis: 0 } }],
  Split: [
    { inputs: [any(2, 5)], build: (g, [x]) => multiple('Split', [x, g.ints([2, 3])], 2, { axis: -1 })(g) },
    // Only one part is used.
    { inputs: [any(4, 3)], build: (g, [x]) => multiple('Split', [x], 2, { axis: 0, num_outputs: 2 })(g)[1] },
  ],
  Slice: [
    withInts('Slice', [any(5, 4)], [[1], [3]]),
    withInts('Slice', [any(5, 4)], [[-2, 0], [2 ** 31, -1], [0, 1]]),
    withInts('Slice', [any(2, 6)], [[3], [2 ** 31], [-1], [1]]),
    withInts('Slice', [any(2, 6)], [[-10], [4], [1]]),
    on(any(5, 4), ints([1]), ints([-1])),
  ],
  Pad: [
    withInts('Pad', [any(2, 3)], [[1, 0, 2, 1]]),
    { inputs: [any(2, 3)], build: (g, [x]) => g.op('Pad', [x, g.ints([1, 2]), '', g.ints([-1])]) },
  ],
  Resize: [{ inputs: [any(1, 2, 3, 3)], build: (g, [x]) => g.op('Resize', [x, '', '', g.ints([1, 2, 3, 3])], { mode: 'cubic' }), staticOnly: true }],
  Tile: [withInts('Tile', [any(2, 3)], [[2, 3]])],
  Trilu: [{ inputs: [any(2, 3, 4)], attrs: { upper: 0 } }, { inputs: [any(3, 3)], build: (g, [x]) => g.op('Trilu', [x, g.ints(1)]) }],
  CumSum: [0, 1].flatMap(reverse => [0, 1].map(exclusive => ({ inputs: [any(2, 4)], build: (g: Graph, [x]: string[]) => g.op('CumSum', [x, g.ints(-1)], { reverse, exclusive }) }))),

  ReduceSum: reductions('ReduceSum'),
  ReduceMean: reductions('ReduceMean'),
  ReduceSumSquare: reductions('ReduceSumSquare'),
  ReduceL2: reductions('ReduceL2'),
  ReduceLogSumExp: reductions('ReduceLogSumExp'),
  ReduceMax: reductions('ReduceMax', distinct),
  ReduceMin: reductions('ReduceMin', distinct),

  Softmax: [on(any(2, 3, 4)), { inputs: [any(2, 3, 4)], attrs: { axis: 1 } }],
  LogSoftmax: [on(any(2, 3, 4)), { inputs: [any(2, 3)], attrs: { axis: 0 } }, { inputs: [any(3, 4), ints([1, 3, 1], [3, 1])], build: picked }],
  LayerNormalization: [
    { inputs: [any(2, 3, 4), any(4), any(4)], attrs: { axis: -1, epsilon: float(1e-3) } },
    { inputs: [any(2, 3, 4), any(3, 4)], attrs: { axis: 1 } },
  ],
  SimplifiedLayerNormalization: [
    { inputs: [any(2, 3, 4), any(4)], attrs: { axis: -1, epsilon: float(1e-3) } },
    { inputs: [any(3, 4), any(4)] },
  ],

  Gather: [
    on(any(5, 3), ints([0, 4, 4, 2], [2, 2])),
    { inputs: [any(2, 4, 3), ints([1, -1, 1])], attrs: { axis: 1 } },
    { inputs: [any(2, 4), ints([3], [])], attrs: { axis: -1 } },
    on(any(4), ints([2, 2])),
  ],
  GatherElements: [{ inputs: [any(3, 4), ints([0, -1, 2, 2, 1, 0], [3, 2])], attrs: { axis: 1 } }, on(any(3, 2), ints([2, 2], [1, 2]))],
  GatherND: [on(any(3, 4, 2), ints([0, 1, 2, -1, 0, 1], [3, 2])), on(any(4, 3), ints([1, 1], [2, 1])), on(any(2, 3), ints([0, 2, 1, 1], [2, 2]))],
  ScatterND: [
    on(any(4, 3), ints([2, 0], [2, 1]), any(2, 3)),
    { inputs: [any(4, 3), ints([2, 2], [2, 1]), any(2, 3)], attrs: scatter('add') },
  ],
  ScatterElements: [
    { inputs: [any(2, 4), ints([1, 3, 0, 2], [2, 2]), any(2, 2)], attrs: { axis: 1 } },
    { inputs: [any(3, 2), ints([2, 2, 2, 0], [2, 2]), any(2, 2)], attrs: { ...scatter('add'), axis: 0 } },
  ],

  EachPicture: [{ inputs: [fixed(any(20, 2)), ints([1, 2, 4, 1, 2, 2, 1, 4, 2], [3, 3]), any(8, 3)], build: tower, staticOnly: true }],
  InBlocks: [
    inBlocks([any(3, 4), any(4, 2)], [{}, {}], 0, 0, (g, [x, w]) => [g.op('Sin', [x]), g.op('Tanh', [g.op('MatMul', [g.op('Exp', [x]), w])])]),
    ...[2, 3, 7, 99].map(size => inBlocks([any(2, 7, 4), any(2, 7, 4), any(2, 7, 3), causal(7)], [{ cut: 1 }, { prefix: 1 }, { prefix: 1 }, { cut: 0, prefix: 1 }], size, 1, attended)),
    ...[false, true].map(last => inBlocks([any(5, 4), any(6, 4), ints([0, 5, 3, 3, 1], [5, 1])], [{ cut: 0 }, {}, { cut: 0 }], 2, 0, classified, last)),
  ],
  LogPartition: [1, 2, 4, 6].map(partition),
} // biome-ignore format: a table
