/**
 * Vision towers that were traced with one picture, and take no more: run picture by picture. `EachPicture` is an operator
 * of our own: its attribute `part` is the tower for one picture, its inputs are the patches of all, one after the other,
 * their grids, and what else the part reads. Its gradient runs the part again (rules/pictures.ts).
 * Left out: pictures' own gradients.
 */

import { inline } from '../graph/inline.ts'
import { DTYPE_CODES, Graph, type Node } from '../graph/ir.ts'
import { entriesOf, outline, same, written } from './outline.ts'

/** The tower's input of sizes in patches (pictures, 3), where it takes one picture alone: it splits them into one row. */
export function gridsOfOne({ inputs, nodes }: Graph): string | undefined {
  const grids = inputs.find(name => name.endsWith('grid_thw'))
  return grids && nodes.some(({ op, inputs, outputs }) => op === 'Split' && inputs[0] === grids && outputs.length === 1)
    ? grids
    : undefined
}

/**
 * Appends a tower to `graph`.
 *
 * @param given what takes the place of its inputs
 * @returns image_features, of all pictures
 */
export function seen(graph: Graph, tower: Graph, given: Record<string, string>): string {
  const grids = gridsOfOne(tower)
  if (!grids) return inline(graph, tower, given, 'vision/').image_features
  const name = graph.fresh('picture')
  const one = new Graph(`${name}/one`, graph)
  const { dtype, shape } = tower.type('pixel_values')
  const own = [one.input(`${name}/pixels`, dtype, [`${name}.patches`, ...shape!.slice(1)]), one.input(`${name}/grid`, 'int64', [1, 3])] // biome-ignore format: one thought
  const { image_features } = inline(one, tower, { pixel_values: own[0], [grids]: own[1] }, 'vision/')
  const others = entriesOf(one, one.nodes).filter(value => !own.includes(value))
  const part = outline(one, name, one.nodes, [...own, ...others], [image_features])
  const inputs = [given.pixel_values, given[grids], ...others]
  graph.add({ op: 'EachPicture', domain: 'sophia', name, inputs, outputs: [`${name}/features`], attrs: { part } })
  return `${name}/features`
}

/** Writes the towers of `graph` that go picture by picture as Loops. */
export const pictureByPicture = (graph: Graph): void => written(graph, 'EachPicture', overPictures)

/** Of all pictures, where their patches begin and end, and of one in the body of a Loop over them, its rows. */
export class PictureLoop {
  readonly body: Graph
  private readonly count: string
  private readonly index: string
  private readonly bounds: string[]

  constructor(
    private readonly graph: Graph,
    node: Node,
  ) {
    const [, grids] = node.inputs
    const patches = graph.op('ReduceProd', [grids, graph.ints([1])], { keepdims: 0 }) // (pictures)
    const ends = graph.op('CumSum', [patches, graph.ints(0)])
    this.bounds = [graph.op('Sub', [ends, patches]), ends]
    this.count = graph.op('Squeeze', [graph.op('Shape', [grids], { start: 0, end: 1 }), graph.ints([0])])
    this.body = new Graph(graph.fresh('pictures'), graph)
    this.index = this.body.input(`${this.body.name}/index`, 'int64', [])
    this.body.input(`${this.body.name}/go`, 'bool', [])
  }

  /** The picture's rows of a value that has one for each `share` patches. @param share int64 (1) */
  rows(value: string, share?: string): string {
    const { body } = this
    const at = this.bounds.map(bound => body.op('Gather', [bound, body.op('Reshape', [this.index, body.ints([1])])]))
    return this.cut(value, share ? at.map(bound => body.op('Div', [bound, share])) : at)
  }

  /** The picture's row of a value that has one for each. */
  row(value: string): string {
    const at = this.body.op('Reshape', [this.index, this.body.ints([1])])
    return this.cut(value, [at, this.body.op('Add', [at, this.body.ints([1])])])
  }

  private cut(value: string, [start, end]: string[]): string {
    const cut = this.body.op('Slice', [value, start, end, this.body.ints([0])])
    const { dtype, shape } = this.graph.type(value)
    if (shape) this.body.types.set(cut, { dtype, shape: [`${cut}.rows`, ...shape.slice(1)] })
    return cut
  }

  /** Writes the Loop. @param initial what it carries, `made` of which follows from one picture to the next */
  finish(initial: string[], made: string[]): string[] {
    const { graph, body } = this
    body.output(body.op('Identity', [`${body.name}/go`]))
    for (const value of made) body.output(value)
    return graph.many('Loop', [this.count, '', ...initial], made.length, { body })
  }
}

/** The forward pass. */
function overPictures(graph: Graph, node: Node): void {
  const part = node.attrs.part as Graph
  const [pixels, grids, ...others] = node.inputs
  const loop = new PictureLoop(graph, node)
  const { body } = loop
  const [output] = node.outputs
  const { dtype, shape } = graph.type(output)
  const none = graph.op('Cast', [graph.op('ConstantOfShape', [graph.ints([0, shape!.at(-1) as number])])], {
    to: DTYPE_CODES[dtype],
  })
  const held = body.input(`${body.name}/held`, dtype, [`${body.name}.held`, shape!.at(-1)!])
  const given = [loop.rows(pixels), loop.row(grids), ...others]
  const made = inline(
    body,
    part,
    Object.fromEntries(part.inputs.map((input, i) => [input, given[i]])),
    body.fresh('part'),
  )
  const [all] = loop.finish([none], [body.op('Concat', [held, made[part.outputs[0]]], { axis: 0 })])
  same(graph, all, output)
}
