/** Undoes broadcasting: sums a gradient over the axes along which an operand was repeated. */

import type { Graph } from '../graph/ir.ts'
import { dimsOf } from './writer.ts'

/**
 * The sum of `gradient` that has the shape of `value`; `gradient` itself where the shapes are known to be equal.
 * Where symbolic sizes leave open whether an axis was repeated, that is decided while the graph runs.
 */
export function unbroadcast(graph: Graph, gradient: string, value: string): string {
  const [from, to] = [graph.shape(gradient), graph.shape(value)]
  if (!from || !to) throw new Error(`gradient of ${value}: its rank is unknown`)
  const lead = from.length - to.length
  if (lead < 0) return exactly(graph, graph.op('Expand', [gradient, shapeOf(graph, value)], {}, 'grad/Expand'), value)
  const summed: number[] = []
  let open = false
  to.forEach((dim, i) => {
    const given = from[lead + i]
    if (dim === given || given === 1 || (typeof dim === 'number' && dim !== 1)) return
    if (dim === 1) summed.push(lead + i)
    else open = true
  })
  if (open) return exactly(graph, dynamic(graph, gradient, value, lead), value)
  const gone = Array.from({ length: lead }, (_, i) => i)
  if (lead === 0 && summed.length === 0) return gradient
  if (lead === 0) return exactly(graph, sum(graph, gradient, graph.ints(summed), 1), value)
  const flat = sum(graph, gradient, graph.ints([...gone, ...summed]), summed.length ? 1 : 0)
  return exactly(graph, summed.length ? graph.op('Squeeze', [flat, graph.ints(gone)], {}, 'grad/Squeeze') : flat, value)
}

/** Compares the shapes at run time. */
function dynamic(graph: Graph, gradient: string, value: string, lead: number): string {
  const gone = Array.from({ length: lead }, (_, i) => i)
  const aligned = lead ? sum(graph, gradient, graph.ints(gone), 0) : gradient
  const repeated = graph.op('Not', [graph.op('Equal', [shapeOf(graph, aligned), shapeOf(graph, value)])])
  const axes = graph.op('Squeeze', [graph.op('NonZero', [repeated]), graph.ints([0])])
  return graph.op('ReduceSum', [aligned, axes], { keepdims: 1, noop_with_empty_axes: 1 }, 'grad/ReduceSum')
}

const sum = (graph: Graph, value: string, axes: string, keepdims: number) =>
  graph.op('ReduceSum', [value, axes], { keepdims }, 'grad/ReduceSum')

const shapeOf = (graph: Graph, value: string) => dimsOf(graph, value)

/** A gradient has the type of what it is the gradient of, whatever inference could see. */
export function exactly(graph: Graph, gradient: string, value: string): string {
  graph.types.set(gradient, graph.type(value))
  return gradient
}
