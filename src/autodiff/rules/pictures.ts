/** The gradient of a tower that goes picture by picture: the part once more, and backwards through it, for each of them. */

import { inline } from '../../graph/inline.ts'
import type { Graph } from '../../graph/ir.ts'
import { added } from '../added.ts'
import { PictureLoop } from '../pictures.ts'
import type { Rule } from './site.ts'

export const PICTURES: Record<string, Rule> = {
  EachPicture: s => {
    const { graph, node } = s
    if (s.wanted(0)) s.refuse('pictures')
    const part = node.attrs.part as Graph
    const [pixels, grids, ...others] = node.inputs
    const loop = new PictureLoop(graph, node)
    const { body } = loop
    const wanted = others.flatMap((value, i) => (s.wanted(i + 2) ? [value] : []))
    const inner = others.map(value => (wanted.includes(value) ? body.op('Identity', [value]) : value))
    const given = [loop.rows(pixels), loop.row(grids), ...inner]
    const bindings = Object.fromEntries(part.inputs.map((input, i) => [input, given[i]]))
    const features = inline(body, part, bindings, body.fresh('part'))[part.outputs[0]]
    const share = s.op('Div', [pixels, s.g].map(value => s.op('Shape', [value], { start: 0, end: 1 }))) // biome-ignore format: one thought
    const weights = inner.filter((_, i) => wanted.includes(others[i]))
    const made = s.pullback(body, new Map([[features, loop.rows(s.g, share)]]), weights)
    const sums = wanted.map((value, i) => {
      const { dtype, shape } = graph.type(value)
      return added(body, body.input(body.fresh('sum'), dtype, shape!), made.get(weights[i])!)
    })
    const zeros = wanted.map(value => s.zeros(value))
    const found = loop.finish(zeros, sums)
    return node.inputs.map(value => (wanted.includes(value) ? found[wanted.indexOf(value)] : null))
  },
}
