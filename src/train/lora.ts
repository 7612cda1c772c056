/**
 * Low-rank adapters (Hu et al. 2021) from nothing: A (rank, in) and B (out, rank) beside every target weight W are
 * trained and W is not. B starts at zero, so the first step starts at the model. Left out: dropout, and adapters on
 * embeddings, norms and the vision tower.
 */

import { Graph, type Tensor } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession } from '../graph/session.ts'
import { beside } from '../models/lora.ts'
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

export interface Adapter {
  /** The weight that it adapts: (out, in). */
  weight: string
  /** Names and starting values of A (rank, in) and B (out, rank). */
  a: { name: string; start: Tensor }
  b: { name: string; start: Tensor }
}

/** The graph with adapters beside its target weights. */
export function withAdapters(graph: Graph, options: LoraOptions): { graph: Graph; adapters: Adapter[] } {
  const adapters: Adapter[] = []
  const scale = options.alpha / options.rank
  const adapted = beside(graph, (weight, shape) => {
    if (!TARGETS.some(target => weight.endsWith(`.${target}.weight`))) return undefined
    const adapter = fresh(weight, shape, options)
    adapters.push(adapter)
    return { ...adapter, scale }
  })
  return { graph: adapted, adapters }
}

/** A uniform in ±1/√in, as PEFT has it (Kaiming with a = √5); B zero. */
function fresh(weight: string, [out, into]: number[], { rank, seed }: LoraOptions): Adapter {
  const module = weight.slice(0, -'.weight'.length)
  const draw = stream(seed, 'lora', module)
  const a = Float32Array.from({ length: rank * into }, () => (2 * draw() - 1) / Math.sqrt(into))
  const tensor = (shape: number[], data: Float32Array): Tensor => ({
    dtype: 'float32',
    shape,
    data: new Uint8Array(data.buffer),
  })
  return {
    weight,
    a: { name: `${module}.lora_A.weight`, start: tensor([rank, into], a) },
    b: { name: `${module}.lora_B.weight`, start: tensor([out, rank], new Float32Array(out * rank)) },
  }
}

/** W + s B A for every adapter, one after the other. */
export async function merged(
  adapters: Adapter[],
  values: Map<string, HostTensor>,
  weightOf: (name: string) => Promise<HostTensor>,
  { rank, alpha }: Pick<LoraOptions, 'rank' | 'alpha'>,
): Promise<Map<string, HostTensor>> {
  const g = new Graph('merge')
  const [w, a, b] = [['out', 'in'], ['rank', 'in'], ['out', 'rank']].map((shape, i) => g.input('wab'[i], 'float32', shape)) // biome-ignore format: one thought
  g.output(g.op('Add', [w, g.op('Mul', [g.op('MatMul', [b, a]), g.scalar(alpha / rank)])]), 'merged')
  const session = await openSession(modelOf(g))
  const result = new Map<string, HostTensor>()
  for (const { weight, a, b } of adapters) {
    const feeds = { w: await weightOf(weight), a: values.get(a.name)!, b: values.get(b.name)! }
    result.set(weight, (await session.run(feeds)).merged)
  }
  await session.close()
  return result
}
