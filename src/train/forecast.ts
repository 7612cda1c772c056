/**
 * What memory a training step will take, and how long a sequence may be, from the shapes of its graph: nothing is run and
 * no weight is read. The parts of it are told apart as a person would change them: weights, what the optimizer keeps,
 * activations of each layer, the largest temporary. Test/LOG.md holds it against what was measured.
 */

import { numberOf } from '../autodiff/recompute.ts'
import { bytesOf, Graph, type Node, sizeOf } from '../graph/ir.ts'
import { executionOrder, liveness, bytes as sizeInBytes } from '../graph/liveness.ts'
import { type Fit, queriesFor } from './forward.ts'
import { PICKED } from './head.ts'
import type { Sizes } from './micro.ts'
import type { Policy } from './policy.ts'
import { buildStep } from './step.ts'

/** All in bytes: on a GPU weights, gradients and moments as often as a run holds them. */
export interface Forecast {
  frozen: number
  trained: number
  gradients: number
  moments: number
  /** Activations that wait for the backward pass, by layer; '' is what belongs to none. */
  kept: Map<string, number>
  /** What the worst moment takes beyond, and the operator that runs then. */
  temporary: number
  at: string
  /** One block of logits. */
  logits: number
  total: number
}

/** What is done to make it fit. */
export interface Plan {
  recompute: boolean
  /** The moments lie in a file. */
  offload?: boolean
  /** It is a GPU's memory that is told. */
  gpu?: boolean
  /** See Fit. */
  room?: number
}

/** Node and ONNX Runtime themselves, and what their allocators keep, as measured (test/LOG.md). */
const PROGRAM = 0.3 * 2 ** 30
/** What is lost between small arrays of unlike sizes, as a share of them. */
const WASTE = 0.4

export function forecast(policy: Policy, plan: Plan, longest: number, sizes: Sizes): Forecast {
  const { recompute, room = 1 } = plan
  const fit: Fit = { queries: queriesFor(longest, room), recompute, room }
  const { trained, parts, reading } = policy
  const g = buildStep(parts, trained, { fit, sizes, reading })
  const head = g.nodes.find(node => node.op === 'Loop' && logitsOf(node)) ?? g.nodes.find(isLikelihood)
  const given = new Set(trained.map(({ name }) => `next/sum/${name}`))
  const live = liveness(g, sizes.length, head?.outputs[0], given)
  const kept = byLayer(g, live.kept)
  const activations = [...kept.values()].reduce((a, b) => a + b, 0)
  const elements = trained.reduce((sum, { start }) => sum + sizeOf(start.shape), 0)
  const frozen = [...g.initializers.values()].reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * bytesOf(dtype), 0)
  const [weights, sums, moments, back] = copies(plan).map(count => 4 * count * elements)
  const state = { trained: weights, gradients: sums, moments }
  const inStep = live.held.large + live.held.small * (1 + WASTE)
  const peak = Math.max(inStep, back)
  return {
    frozen,
    ...state,
    kept,
    temporary: Math.max(0, peak - activations),
    at: peak > inStep ? 'Loop' : (live.at?.op ?? ''),
    logits: head ? (logitsOf(head) ?? sizeInBytes(g, head.outputs[0], sizes.length)) : 0,
    total: PROGRAM + frozen + state.trained + state.gradients + state.moments + peak,
  }
}

/**
 * How often a run holds what is trained: weights, gradients, moments, and what it takes beyond to hand them back. On a
 * GPU what came in stays until the run is over; a Loop holds what an iteration began with beside what it makes, and
 * copies what it ends with while both are there.
 */
function copies({ gpu, offload }: Plan): [number, number, number, number] {
  if (!gpu) return [1, 1, offload ? 0 : 2, 0]
  return offload ? [1, 3, 0, 1] : [2, 3, 4, 3]
}

/** The longest sequence, learnt to its end, that fits into `limit` bytes, to 64 tokens; 0 where none does. */
export function longestThatFits(policy: Policy, plan: Plan, limit: number): number {
  const total = (length: number) => forecast(policy, plan, length, { rows: 1, length, targets: length - 1, images: 1 }).total // biome-ignore format: one thought
  let [low, high] = [64, 4096]
  let [least, most] = [total(low), total(high)]
  if (least > limit) return 0
  while (most <= limit && high < 1 << 20) [low, least, high, most] = [high, most, 4 * high, total(4 * high)]
  if (most <= limit) return high
  for (let tries = 0; tries < 6 && high - low > 64; tries++) {
    // Memory is all but linear in the length.
    const guess = low + ((high - low) * (limit - least)) / (most - least)
    const middle = Math.min(high - 64, Math.max(low + 64, Math.floor(guess / 64) * 64))
    const there = total(middle)
    if (there <= limit) [low, least] = [middle, there]
    else [high, most] = [middle, there]
  }
  return low
}

/** A table for people. */
export function describe(forecast: Forecast): string[] {
  const { frozen, trained, gradients, moments, kept, temporary, at, logits, total } = forecast
  const layers = [...kept].filter(([name]) => name !== '').sort(([a], [b]) => Number(a) - Number(b))
  const all = [...kept.values()].reduce((a, b) => a + b, 0)
  const rows: [string, number][] = [
    ['frozen weights', frozen],
    ['trained weights', trained],
    ['their gradients', gradients],
    ['their two moments', moments],
    ['activations kept for the backward pass', all],
    ...layers.map(([name, size]): [string, number] => [`  layer ${name}`, size]),
    ['  everything else', kept.get('') ?? 0],
    [`largest temporary (${at})`, temporary],
    ['  of which one block of logits at most', logits],
    ['the program itself', PROGRAM],
    ['together', total],
  ]
  return rows.map(([name, size]) => `${name.padEnd(42)}${inGiB(size).padStart(10)} GiB`)
}

export const inGiB = (size: number) => (size / 2 ** 30).toFixed(size < 2 ** 30 ? 3 : 2)

/** What the logits go through first; attention has its own softmax. */
const isLikelihood = ({ op }: Node) => op === 'LogSoftmax' || op === 'ReduceMax'

/** The size of the logits inside a Loop over blocks of the likelihood. */
function logitsOf({ attrs }: Node): number | undefined {
  const body = attrs.body
  if (!(body instanceof Graph)) return undefined
  const node = body.nodes.find(isLikelihood)
  return node && sizeInBytes(body, node.inputs[0])
}

/** Values belong to the layer whose weights they were last made with. */
function byLayer(g: Graph, kept: Map<string, number>): Map<string, number> {
  const layers = new Map<string, string>()
  for (const node of executionOrder(g)) {
    const before = node.inputs.map(input => layers.get(input)).filter(layer => layer !== undefined)
    const layer = numberOf([{ ...node, name: '' }]) ?? before.sort((a, b) => Number(b) - Number(a))[0]
    // What comes after the learnt rows were picked is the head's.
    for (const output of node.outputs) if (layer !== undefined && !output.endsWith(PICKED)) layers.set(output, layer)
  }
  const sums = new Map<string, number>()
  for (const [value, size] of kept) {
    const layer = layers.get(value) ?? ''
    sums.set(layer, (sums.get(layer) ?? 0) + size)
  }
  return sums
}
