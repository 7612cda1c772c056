/**
 * What architectures are made of. A `Net` is a graph being built from a checkpoint: it adds weights under the names
 * that the checkpoint has, in the checkpoint's own layout and dtype, so that an initializer can point into the
 * checkpoint's file; a Cast follows where the graph computes in another dtype. What crosses the graph's border is
 * float32 (JavaScript has no bfloat16), and so are norms, rotary angles and softmax inside, as Hugging Face has them.
 * Only operators with kernels on every device and, but for the norms, with ONNX semantics; ONNX Runtime fuses the rest.
 */

import { type Dim, DTYPE_CODES, type DType, Float, Graph, type Tensor } from '../../graph/ir.ts'

/** What products are computed in. Half precision is for CUDA: the CPU has no bfloat16 product and a slow float16 one. */
export type Compute = 'float32' | 'float16' | 'bfloat16'

/** Finds a tensor of the checkpoint. Throws where it is absent or has another shape. */
export type Find = (name: string, shape: number[]) => Tensor

/** A checkpoint as builders see it. */
export interface Weights {
  find: Find
  compute: Compute
}

export class Net {
  readonly g: Graph
  readonly compute: Compute
  private readonly casts = new Map<string, string>()
  /** How many casts of weights stand at the front. */
  private ahead = 0

  constructor(
    name: string,
    readonly weights: Weights,
  ) {
    this.g = new Graph(name)
    this.compute = weights.compute
  }

  /** A weight in the dtype that the graph computes in, or in `dtype`. */
  weight(name: string, shape: number[], dtype: DType = this.compute): string {
    return this.as(this.stored(name, shape), dtype)
  }

  /** A weight in the dtype that it is stored in. */
  stored(name: string, shape: number[]): string {
    return this.g.has(name) ? name : this.g.weight(name, this.weights.find(name, shape))
  }

  /** A value in another dtype. */
  as(x: string, dtype: DType = this.compute): string {
    if (this.g.type(x).dtype === dtype) return x
    const key = `${x} ${dtype}`
    const made = this.casts.get(key) ?? this.g.op('Cast', [x], { to: DTYPE_CODES[dtype] })
    if (!this.casts.has(key) && this.g.initializers.has(x)) this.toFront()
    this.casts.set(key, made)
    return made
  }

  /**
   * Moves the newest node behind the casts at the front. ONNX Runtime runs a node's producers from the last in the file
   * to the first: a cast that stands early is run right before its product, one that stands late before all products,
   * and then the whole model would lie in memory twice (where casts are not folded into copies anyway).
   */
  private toFront(): void {
    this.g.nodes.splice(this.ahead++, 0, this.g.nodes.pop()!)
  }

  /** A constant in the dtype that the graph computes in. */
  scalar(value: number): string {
    return this.g.scalar(value, this.compute)
  }

  /** An input of the graph; floats come as float32 and are at once in what the graph computes in. */
  input(name: string, dtype: 'float32' | 'int64', shape: Dim[]): string {
    const value = this.g.input(name, dtype, shape)
    return dtype === 'float32' ? this.as(value) : value
  }

  /** Makes `value` an output called `name`, in float32. */
  output(value: string, name: string): void {
    if (this.g.type(value).dtype === 'float32') this.g.output(value, name)
    else this.g.output(this.g.op('Cast', [value], { to: DTYPE_CODES.float32 }, name))
  }

  /** Rows of a table, looked up before the cast so that the table is never whole in another dtype. ids (…) → (…, size) */
  embedding(ids: string, name: string, count: number, size: number): string {
    return this.as(this.g.op('Gather', [this.stored(name, [count, size]), ids]))
  }

  /** y = x Wᵀ (+ b), with W (out, in) as PyTorch keeps it. x (…, in) → (…, out) */
  linear(x: string, name: string, from: number, to: number, bias = true): string {
    const transposed = this.g.op('Transpose', [this.weight(`${name}.weight`, [to, from])], { perm: [1, 0] })
    const y = this.g.op('MatMul', [x, transposed], {}, name)
    return bias ? this.g.op('Add', [y, this.weight(`${name}.bias`, [to])]) : y
  }

  /** Root-mean-square norm (Zhang & Sennrich 2019), as LLaMA has it. */
  rmsNorm(x: string, name: string, size: number, epsilon: number): string {
    const attrs = { axis: -1, epsilon: new Float(epsilon), stash_type: 1 }
    const weight = this.weight(`${name}.weight`, [size], 'float32')
    return this.as(this.g.op('SimplifiedLayerNormalization', [this.as(x, 'float32'), weight], attrs))
  }

  layerNorm(x: string, name: string, size: number, epsilon: number): string {
    const parameters = ['weight', 'bias'].map(kind => this.weight(`${name}.${kind}`, [size], 'float32'))
    const attrs = { axis: -1, epsilon: new Float(epsilon) }
    return this.as(this.g.op('LayerNormalization', [this.as(x, 'float32'), ...parameters], attrs))
  }

  /** The activations that configs name. */
  activation(x: string, name: string): string {
    switch (name) {
      case 'silu':
        return this.g.op('Mul', [x, this.g.op('Sigmoid', [x])])
      case 'gelu':
        return this.g.op('Gelu', [x])
      case 'gelu_pytorch_tanh':
      case 'gelu_new':
        return this.g.op('Gelu', [x], { approximate: 'tanh' })
      case 'quick_gelu':
        return this.g.op('Mul', [x, this.g.op('Sigmoid', [this.g.op('Mul', [x, this.scalar(1.702)])])])
      default:
        throw new Error(`activation ${name} is not supported`)
    }
  }

  add(a: string, b: string): string {
    return this.g.op('Add', [a, b])
  }

  /** Reshape; 0 keeps a dim and one -1 is worked out. */
  reshape(x: string, shape: number[]): string {
    return this.g.op('Reshape', [x, this.g.ints(shape)])
  }

  transpose(x: string, perm: number[]): string {
    return this.g.op('Transpose', [x], { perm })
  }

  /**
   * Scaled dot-product attention with grouped heads (Ainslie et al. 2023), K and V never repeated: the G query heads of
   * a KV head are rows of one product.
   *
   * @param q (B, T, KV·G, D), heads of a group adjacent
   * @param k (B, KV, S, D)
   * @param v (B, KV, S, D)
   * @param bias added to the scores, float32 (B, 1, T, 1, S), or none
   * @returns (B, T, KV·G·D)
   */
  attention(q: string, k: string, v: string, heads: number, kvHeads: number, size: number, bias?: string): string {
    const { g } = this
    const group = heads / kvHeads
    const grouped = this.transpose(this.reshape(q, [0, 0, kvHeads, group * size]), [0, 2, 1, 3]) // (B, KV, T, G·D)
    const rows = this.reshape(grouped, [0, 0, -1, size]) // (B, KV, T·G, D)
    const product = g.op('MatMul', [rows, this.transpose(k, [0, 1, 3, 2])]) // (B, KV, T·G, S)
    let scores = this.as(g.op('Mul', [product, this.scalar(1 / Math.sqrt(size))]), 'float32')
    if (bias) {
      const length = g.op('Shape', [q], { start: 1, end: 2 })
      const keys = g.op('Shape', [k], { start: 2, end: 3 })
      const split = g.op('Concat', [g.ints([0]), g.ints([0]), length, g.ints([group]), keys], { axis: 0 })
      const biased = this.add(g.op('Reshape', [scores, split]), bias) // (B, KV, T, G, S)
      const joined = g.op('Concat', [g.ints([0]), g.ints([0]), g.ints([-1]), keys], { axis: 0 })
      scores = g.op('Reshape', [biased, joined])
    }
    const weights = this.as(g.op('Softmax', [scores], { axis: -1 }))
    const mixed = this.reshape(g.op('MatMul', [weights, v]), [0, 0, -1, group * size]) // (B, KV, T, G·D)
    return this.reshape(this.transpose(mixed, [0, 2, 1, 3]), [0, 0, heads * size]) // (B, T, KV·G·D)
  }
}
