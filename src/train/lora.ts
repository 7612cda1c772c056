/**
 * Low-rank adapters (Hu et al. 2021) from nothing: A (rank, in) and B (out, rank) beside every target weight W are
 * trained and W is not. B starts at zero, so the first step starts at the model. Left out: dropout, and adapters on
 * embeddings, norms and the vision tower.
 */

import { Graph, type Tensor } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession } from '../graph/session.ts'
import { beside, type Place } from '../models/lora.ts'
import { stream } from '../random.ts'

export interface LoraOptions {
  rank: number
  alpha: number
  seed: number
}

/** The modules that get an adapter, by the last part of their names; the second line is InternLM2's. */
export const TARGETS = [
  ...['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  ...['wqkv', 'wo', 'w1', 'w2', 'w3'],
]
/** What some architectures have in their place. */
const JOINED = ['qkv_proj', 'gate_up_proj']

export interface Adapter {
  /** What it adapts, and where that lies. */
  place: Place
  /** Names and starting values of A (rank, in) and B (out, rank). */
  a: { name: string; start: Tensor }
  b: { name: string; start: Tensor }
}

/** The graph with adapters beside its target weights. */
export function withAdapters(graph: Graph, options: LoraOptions): { graph: Graph; adapters: Adapter[] } {
  const adapters: Adapter[] = []
  const scale = options.alpha / options.rank
  const adapted = beside(graph, (module, shape, place) => {
    const targets = place.parts ? TARGETS : [...TARGETS, ...JOINED]
    if (!targets.some(target => module.endsWith(`.${target}`))) return undefined
    const adapter = { place, ...fresh(module, shape, options) }
    adapters.push(adapter)
    return { ...adapter, scale }
  })
  return { graph: adapted, adapters }
}

/** A uniform in ±1/√in, as PEFT has it (Kaiming with a = √5); B zero. */
function fresh(module: string, [out, into]: number[], { rank, seed }: LoraOptions): Omit<Adapter, 'place'> {
  const draw = stream(seed, 'lora', module)
  const a = Float32Array.from({ length: rank * into }, () => (2 * draw() - 1) / Math.sqrt(into))
  const tensor = (shape: number[], data: Float32Array): Tensor => ({
    dtype: 'float32',
    shape,
    data: new Uint8Array(data.buffer),
  })
  return {
    a: { name: `${module}.lora_A.weight`, start: tensor([rank, into], a) },
    b: { name: `${module}.lora_B.weight`, start: tensor([out, rank], new Float32Array(out * rank)) },
  }
}

/**
 * W + s B A for every adapter, one after the other; packed modules share a W, which may lie (in, out).
 *
 * @throws Error where a weight is not of floats
 */
export async function merged(
  adapters: Adapter[],
  values: Map<string, HostTensor>,
  weightOf: (name: string) => Promise<HostTensor>,
  { rank, alpha }: Pick<LoraOptions, 'rank' | 'alpha'>,
): Promise<Map<string, HostTensor>> {
  const g = new Graph('merge')
  const [a, b] = [['rank', 'in'], ['out', 'rank']].map((shape, i) => g.input('ab'[i], 'float32', shape)) // biome-ignore format: one thought
  g.output(g.op('Mul', [g.op('MatMul', [b, a]), g.scalar(alpha / rank)]), 'delta') // (out, in)
  const session = await openSession(modelOf(g))
  const result = new Map<string, HostTensor>()
  for (const { place, a, b } of adapters) {
    const { weight, module } = place
    if (!weight) throw new Error(`${module} has no weight of floats to merge with`)
    const { delta } = await session.run({ a: values.get(a.name)!, b: values.get(b.name)! })
    const whole = result.get(weight) ?? (await weightOf(weight))
    result.set(weight, { ...whole, data: added(whole, delta, place) })
  }
  await session.close()
  return result
}

/** W + delta, which begins at row `from` of W. */
function added(whole: HostTensor, delta: HostTensor, { from, transposed }: Place): Float32Array {
  const data = (whole.data as Float32Array).slice()
  const [out, into] = delta.shape
  const values = delta.data as Float32Array
  const width = whole.shape[1]
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < into; column++) {
      const at = transposed ? column * width + from + row : (from + row) * width + column
      data[at] += values[row * into + column]
    }
  }
  return data
}
