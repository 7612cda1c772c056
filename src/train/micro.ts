/**
 * How the micro-batches of one run get into the graph: laid end to end in flat arrays, with a table that says where
 * each one starts. The Loop's body cuts its own out, so micro-batches may have different padded shapes.
 */

import type { Dim, DType, Graph } from '../graph/ir.ts'
import type { HostTensor } from '../graph/session.ts'
import { joinVision, type Vision } from '../models/pictures/pictures.ts'

/** What the trainer has to know of how a model sees. */
export interface Eyes {
  /** The vision graph's inputs; the first dim of each goes over pictures, tiles or patches. */
  inputs: { name: string; dtype: DType; shape: Dim[] }[]
  /** The token that stands for a feature of a picture. */
  token: number
  /** A blank picture, for micro-batches without any. */
  blank: Vision
}

/** How a model reads: with eyes or without, and how many position ids a token has (absent: one). */
export interface Reading {
  eyes?: Eyes
  axes?: number
}

/** Columns of the table, one row a micro-batch. */
const columnsOf = ({ eyes }: Reading): string[] => [
  ...['rows', 'length', 'ids', 'targets', 'targetsEnd', 'places', 'placesEnd'],
  ...(eyes?.inputs ?? []).flatMap(({ name }) => [name, `${name}End`]),
]

/** A sequence as the trainer holds it. */
export interface Sequence {
  /** Tokens, each picture's placeholders included. */
  ids: Int32Array
  /** 1 at tokens that are learnt (the response), else 0. */
  learnt: Uint8Array
  /** What each learnt token weighs in the loss of this step. */
  weight: number
  /** What the vision graph takes of its pictures. */
  vision?: Vision
  /** (axes, T), where the model has several. */
  positions?: number[][]
}

/** What a body sees of its micro-batch. */
export interface Micro {
  /** (B, T) int64, padded on the right with 0 */
  ids: string
  /** (1,) int64 each */
  rows: string
  length: string
  /** Where in the B·T positions the token stands whose successor is learnt: (R,) int64 */
  positions: string
  /** That successor: (R,) int64 */
  labels: string
  /** (R,) float32 */
  weights: string
  /** Position ids (axes, B, T), where the model has several axes */
  axes?: string
  /** The vision graph's inputs by name, of one picture at least */
  vision?: Record<string, string>
  /** Where in the B·T positions each picture token stands, in order: (features,) int64; empty if the picture is a blank */
  places?: string
}

/** Declares the flat inputs on the outer graph. */
export function declare(outer: Graph, reading: Reading): void {
  const { eyes, axes } = reading
  outer.input('micro.table', 'int64', ['M', columnsOf(reading).length])
  outer.input('micro.ids', 'int64', ['all ids'])
  outer.input('micro.positions', 'int64', ['all targets'])
  outer.input('micro.labels', 'int64', ['all targets'])
  outer.input('micro.weights', 'float32', ['all targets'])
  if (axes) outer.input('micro.axes', 'int64', [axes, 'all ids'])
  if (!eyes) return
  for (const { name, dtype, shape } of eyes.inputs)
    outer.input(`micro.${name}`, dtype, [`all ${name}`, ...shape.slice(1)])
  outer.input('micro.places', 'int64', ['all places'])
}

/** Sizes of a micro-batch: sequences, their padded length, learnt tokens, pictures. */
export interface Sizes {
  rows: number
  length: number
  targets: number
  images: number
}

/**
 * Cuts micro-batch number `index` (int64 scalar) out of the flat inputs. `sizes` are written into the shapes where they
 * are given, for a graph that is looked at and not run.
 */
export function cut(body: Graph, index: string, reading: Reading, sizes?: Sizes): Micro {
  const { eyes, axes } = reading
  const columns = columnsOf(reading)
  const row = body.op('Gather', ['micro.table', index]) // (columns,)
  const parts = body.many('Split', [row], columns.length, { axis: 0, num_outputs: columns.length })
  const at = (column: string) => parts[columns.indexOf(column)]
  // Sizes get names, so that shapes that are equal are known to be.
  body.known.set(at('rows'), [sizes?.rows ?? 'B'])
  body.known.set(at('length'), [sizes?.length ?? 'T'])
  const all = sizes ? sizes.rows * sizes.length : 'B*T'
  const piece = (flat: string, start: string, end: string, shape: Dim[], axis = 0) => {
    const value = body.op('Slice', [flat, start, end, body.ints([axis])])
    body.types.set(value, { dtype: body.type(flat).dtype, shape })
    return value
  }
  const [rows, length] = [at('rows'), at('length')]
  const end = body.op('Add', [at('ids'), body.op('Mul', [rows, length])])
  const flat = piece('micro.ids', at('ids'), end, [all])
  const ids = body.op('Reshape', [flat, body.op('Concat', [rows, length], { axis: 0 })])
  const positions = () =>
    body.op('Reshape', [
      piece('micro.axes', at('ids'), end, [axes!, all], 1),
      body.op('Concat', [body.ints([axes!]), rows, length], { axis: 0 }),
    ])
  const seen = ({ name, shape }: Eyes['inputs'][number]) => {
    // Pictures are taken to be like the one that stands in where there is none.
    const [count, ...rest] = sizes ? eyes!.blank[name].shape : [`some ${name}`, ...shape.slice(1)]
    const all = sizes ? sizes.images * Number(count) : count
    return [name, piece(`micro.${name}`, at(name), at(`${name}End`), [all, ...rest])] as const
  }
  const target = (name: string) => piece(name, at('targets'), at('targetsEnd'), [sizes?.targets ?? 'R'])
  return {
    ids,
    rows,
    length,
    positions: target('micro.positions'),
    labels: target('micro.labels'),
    weights: target('micro.weights'),
    ...(axes && { axes: positions() }),
    ...(eyes && {
      vision: Object.fromEntries(eyes.inputs.map(seen)),
      places: piece('micro.places', at('places'), at('placesEnd'), ['P']),
    }),
  }
}

/** What micro-batches amount to. */
export interface Tally {
  /** Learnt tokens. */
  targets: number
  /** Tokens, padding left out. */
  tokens: number
  /** Tokens, padding included. */
  padded: number
}

export function tally(micro: Sequence[][]): Tally {
  const all = micro.flat()
  const learnt = all.map(sequence => sequence.learnt.subarray(1).reduce((a, b) => a + b, 0))
  return {
    targets: learnt.reduce((a, b) => a + b, 0),
    tokens: all.reduce((sum, { ids }) => sum + ids.length, 0),
    padded: positionsOf(micro),
  }
}

/** Tokens, padding included. */
export const positionsOf = (micro: Sequence[][]): number =>
  micro.reduce((sum, batch) => sum + batch.length * lengthOf(batch), 0)

const lengthOf = (batch: Sequence[]) => batch.reduce((longest, { ids }) => Math.max(longest, ids.length), 0)

/**
 * Lays micro-batches out. Without pictures in a micro-batch a blank one stands in, which nothing looks at.
 *
 * @param scale what the loss, and with it the gradient, is multiplied by: both are linear in the weights of the tokens
 */
export function lay(micro: Sequence[][], reading: Reading, scale = 1): Record<string, HostTensor> {
  const { eyes, axes = 0 } = reading
  const lengths = micro.map(lengthOf)
  const padded = positionsOf(micro)
  const ids = new BigInt64Array(padded)
  const places = new BigInt64Array(axes * padded)
  const [positions, labels, weights, seats]: [number[], number[], number[], number[]] = [[], [], [], []]
  const seen: Vision[] = []
  const counts = Object.fromEntries((eyes?.inputs ?? []).map(({ name }) => [name, 0]))
  const look = (vision: Vision) => {
    seen.push(vision)
    for (const name of Object.keys(counts)) counts[name] += vision[name].shape[0]
  }
  const table: number[] = []
  let start = 0
  micro.forEach((batch, m) => {
    const at: Record<string, number> = { rows: batch.length, length: lengths[m], ids: start }
    Object.assign(at, { targets: positions.length, places: seats.length, ...counts })
    batch.forEach((sequence, b) => {
      const offset = b * lengths[m]
      sequence.ids.forEach((id, t) => {
        ids[start + offset + t] = BigInt(id)
        for (let axis = 0; axis < axes; axis++)
          places[axis * padded + start + offset + t] = BigInt(sequence.positions?.[axis][t] ?? t)
        if (id === eyes?.token) seats.push(offset + t)
        if (t === 0 || !sequence.learnt[t]) return
        positions.push(offset + t - 1)
        labels.push(id)
        weights.push(sequence.weight * scale)
      })
      if (sequence.vision) look(sequence.vision)
    })
    if (eyes && batch.every(({ vision }) => !vision)) look(eyes.blank)
    Object.assign(at, { targetsEnd: positions.length, placesEnd: seats.length })
    for (const [name, count] of Object.entries(counts)) at[`${name}End`] = count
    table.push(...columnsOf(reading).map(column => at[column]))
    start += batch.length * lengths[m]
  })
  const feeds: Record<string, HostTensor> = {
    'micro.table': int64(table, [micro.length, columnsOf(reading).length]),
    'micro.ids': { dtype: 'int64', shape: [padded], data: ids },
    'micro.positions': int64(positions),
    'micro.labels': int64(labels),
    'micro.weights': { dtype: 'float32', shape: [weights.length], data: Float32Array.from(weights) },
  }
  if (axes) feeds['micro.axes'] = { dtype: 'int64', shape: [axes, padded], data: places }
  if (eyes) {
    feeds['micro.places'] = int64(seats)
    for (const [name, tensor] of Object.entries(joinVision(seen))) feeds[`micro.${name}`] = tensor
  }
  return feeds
}

const int64 = (values: number[], shape = [values.length]): HostTensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
})
