/**
 * Keeps the long part of a cache out of a Loop. A decoder joins its past with the new token and works on the whole,
 * which copies the cache for every token. Here the join [past | recent] is pushed through the nodes that follow, on
 * the algebra that
 *     q · [a | b]ᵀ = [q · aᵀ | q · bᵀ]     and     [p | r] · [a ; b] = p · a + r · b,
 * until nothing needs the whole. Past is then read where it lies, and what depends on it alone can be hoisted. A node
 * that has no rule gets the whole, joined: slower, never wrong.
 */

import type { Dim, Graph, Node } from '../graph/ir.ts'

/** A value in two pieces, to be joined on `axis`. */
interface Pair {
  past: string
  recent: string
  axis: number
  /** The past with its last two axes the other way round, where it came from there. */
  flipped?: string
}

type Rule = (c: Context, node: Node) => Pair | string | undefined

interface Context {
  g: Graph
  pair: (value: string) => Pair | undefined
  /** A value under its new name; the whole of a pair. */
  name: (value: string) => string
}

/**
 * Rewrites `body` in place.
 *
 * @param past the values around the Loop whose joins are to be pushed through, each (B, KV, P, Dh)
 * @param present the values that join past and recent at the end, (B, KV, P+R, Dh)
 * @returns `name`: the new name of a value; `recent`: the part of each `present` that is not past
 */
export function splitCache(body: Graph, past: string[], present: string[]) {
  const outer = new Set(past)
  const pairs = new Map<string, Pair>()
  const names = new Map<string, string>()
  const joined = (value: string): string => {
    const pair = pairs.get(value)
    if (pair && !names.has(value)) names.set(value, body.op('Concat', [pair.past, pair.recent], { axis: pair.axis }))
    return names.get(value) ?? value
  }
  const context: Context = { g: body, pair: value => pairs.get(value), name: joined }
  const nodes = body.nodes
  body.nodes = []
  for (const node of nodes) {
    if (node.op === 'Concat' && outer.has(node.inputs[0])) {
      const [first, ...rest] = node.inputs
      const recent = rest.length === 1 ? joined(rest[0]) : body.op('Concat', rest.map(joined), node.attrs)
      pairs.set(node.outputs[0], { past: first, recent, axis: node.attrs.axis as number })
      continue
    }
    const made = node.inputs.some(input => pairs.has(input)) ? RULES[node.op]?.(context, node) : undefined
    if (typeof made === 'string') names.set(node.outputs[0], made)
    else if (made) pairs.set(node.outputs[0], made)
    else body.add({ ...node, inputs: node.inputs.map(joined) })
  }
  const recent = present.map((value, i) => pairs.get(value)?.recent ?? tail(body, joined(value), past[i]))
  return { name: joined, recent }
}

/** What a (B, KV, P+R, Dh) value has beyond the P of `past`. */
const tail = (g: Graph, value: string, past: string) =>
  g.op('Slice', [value, g.op('Shape', [past], { start: 2, end: 3 }), g.ints([2 ** 31 - 1]), g.ints([2])])

const both = ({ g }: Context, node: Node, { past, recent, axis }: Pair, at = axis): Pair => {
  const rest = node.inputs.slice(1)
  return {
    past: g.op(node.op, [past, ...rest], node.attrs),
    recent: g.op(node.op, [recent, ...rest], node.attrs),
    axis: at,
  }
}

const RULES: Record<string, Rule> = {
  Identity: (c, node) => c.pair(node.inputs[0]),
  Cast: (c, node) => both(c, node, c.pair(node.inputs[0])!),

  Concat: (c, node) => {
    const pair = c.pair(node.inputs[0])
    const rank = pair && c.g.rank(pair.past)
    if (!pair || ((node.attrs.axis as number) + rank!) % rank! !== pair.axis) return undefined
    const recent = c.g.op('Concat', [pair.recent, ...node.inputs.slice(1).map(c.name)], node.attrs)
    return { ...pair, recent }
  },

  Transpose: (c, node) => {
    const pair = c.pair(node.inputs[0])!
    const perm = node.attrs.perm as number[] | undefined
    if (!perm) return undefined
    const last = perm.length - 1
    const flip = perm.every((from, to) => from === (to < last - 1 ? to : 2 * last - 1 - to))
    return { ...both(c, node, pair, perm.indexOf(pair.axis)), ...(flip && { flipped: pair.past }) }
  },

  Unsqueeze: (c, node) => {
    const pair = c.pair(node.inputs[0])!
    const added = c.g.integers(node.inputs[1]) as number[] | undefined
    if (!added?.every(axis => axis >= 0)) return undefined
    const at = Array.from({ length: c.g.rank(pair.past) + added.length }, (_, i) => i).filter(i => !added.includes(i))
    return both(c, node, pair, at[pair.axis])
  },

  /** Repeating KV heads: (B, KV, 1, P, Dh) to (B, KV, G, P, Dh). The joined dim stays as it is, so 1 stands for it. */
  Expand: (c, node) => {
    const pair = c.pair(node.inputs[0])!
    const target = c.g.integers(node.inputs[1])
    const shape = c.g.shape(node.inputs[0])
    if (!target || !shape || target.length !== shape.length) return undefined
    const repeats = target.map((dim, i) => (dim === shape[i] ? 1 : dim))
    if (repeats[pair.axis] !== 1 || !repeats.every(dim => typeof dim === 'number')) return undefined
    const by = c.g.ints(repeats as number[])
    return { ...pair, past: c.g.op('Expand', [pair.past, by]), recent: c.g.op('Expand', [pair.recent, by]) }
  },

  /** A reshape that merges or splits dims before the joined one: (B, KV, G, P, Dh) to (B, KV·G, P, Dh). */
  Reshape: (c, node) => {
    const pair = c.pair(node.inputs[0])!
    const [from, to] = [c.g.shape(node.inputs[0]), c.g.shape(node.outputs[0])]
    if (!from || !to) return undefined
    const after = from.slice(pair.axis + 1)
    const axis = to.length - after.length - 1
    if (axis < 0 || to[axis] !== from[pair.axis] || after.some((dim, i) => dim !== to[axis + 1 + i])) return undefined
    const target = to.map((dim, i): Dim => (i === axis ? -1 : dim === from[i] ? 0 : dim))
    if (!target.every(dim => typeof dim === 'number')) return undefined
    const shape = c.g.ints(target as number[])
    return { past: c.g.op('Reshape', [pair.past, shape]), recent: c.g.op('Reshape', [pair.recent, shape]), axis }
  },

  Shape: (c, node) => {
    const { past, recent, axis } = c.pair(node.inputs[0])!
    const rank = c.g.rank(past)
    const [start, end] = [(node.attrs.start as number) ?? 0, (node.attrs.end as number) ?? rank]
    if (start < 0 || end < 0) return undefined
    const dims = (from: number, to: number) => c.g.op('Shape', [past], { start: from, end: to })
    if (axis < start || axis >= end) return dims(start, end)
    const added = c.g.op('Shape', [recent], { start: axis, end: axis + 1 })
    const parts = [c.g.op('Add', [dims(axis, axis + 1), added])]
    if (start < axis) parts.unshift(dims(start, axis))
    if (axis + 1 < end) parts.push(dims(axis + 1, end))
    return parts.length === 1 ? parts[0] : c.g.op('Concat', parts, { axis: 0 })
  },

  MatMul: (c, node) => {
    const [left, right] = node.inputs
    const pair = c.pair(right)
    if (!pair || c.pair(left)) return undefined
    const [a, rank] = [c.name(left), c.g.rank(pair.past)]
    if (pair.axis === rank - 1) {
      return c.g.op('Concat', [product(c.g, a, pair), c.g.op('MatMul', [a, pair.recent])], { axis: -1 })
    }
    if (pair.axis !== rank - 2) return undefined
    const length = c.g.op('Shape', [pair.past], { start: pair.axis, end: pair.axis + 1 })
    const last = c.g.ints([c.g.rank(a) - 1])
    const head = c.g.op('Slice', [a, c.g.ints([0]), length, last])
    const rest = c.g.op('Slice', [a, length, c.g.ints([2 ** 31 - 1]), last])
    return c.g.op('Add', [c.g.op('MatMul', [head, pair.past]), c.g.op('MatMul', [rest, pair.recent])])
  },
}

/**
 * q · kᵀ as (k · qᵀ)ᵀ, where k is at hand: few rows against a long cache are slow the other way, because the cache is
 * read in stripes and copied (measured: 1.2 to 1.7 times the time on a CPU).
 */
function product(g: Graph, a: string, { past, flipped }: Pair): string {
  if (!flipped) return g.op('MatMul', [a, past])
  const rank = g.rank(flipped)
  if (g.rank(a) !== rank) return g.op('MatMul', [a, past])
  const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i))
  return g.op('Transpose', [g.op('MatMul', [flipped, g.op('Transpose', [a], { perm })])], { perm })
}
