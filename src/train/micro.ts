/**
 * How the micro-batches of one run get into the graph: laid end to end in flat arrays, with a table that says where
 * each one starts. The Loop's body cuts its own out, so micro-batches may have different padded shapes.
 */

import type { Dim, Graph } from '../graph/ir.ts'
import type { HostTensor } from '../graph/session.ts'

/** Columns of the table, one row a micro-batch. */
const COLUMNS = [
  'rows',
  'length',
  'ids',
  'targets',
  'targetsEnd',
  'images',
  'imagesEnd',
  'places',
  'placesEnd',
] as const
type Column = (typeof COLUMNS)[number]

/** A sequence as the trainer holds it. */
export interface Sequence {
  /** Tokens, each picture's placeholders included. */
  ids: Int32Array
  /** 1 at tokens that are learnt (the response), else 0. */
  learnt: Uint8Array
  /** What each learnt token weighs in the loss of this step. */
  weight: number
  /** Pictures, made ready: (C, H, W) each. */
  pixels: Float32Array[]
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
  /** (I, C, H, W), at least one picture */
  pixels?: string
  /** Where in the B·T positions each picture token stands, in order: (I·patches,) int64; empty if the picture is a dummy */
  places?: string
}

/** Declares the flat inputs on the outer graph. `picture` is (C, H, W), or absent for text. */
export function declare(outer: Graph, picture?: number[]): void {
  outer.input('micro.table', 'int64', ['M', COLUMNS.length])
  outer.input('micro.ids', 'int64', ['all ids'])
  outer.input('micro.positions', 'int64', ['all targets'])
  outer.input('micro.labels', 'int64', ['all targets'])
  outer.input('micro.weights', 'float32', ['all targets'])
  if (!picture) return
  outer.input('micro.pixels', 'float32', ['all images', ...picture])
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
export function cut(body: Graph, index: string, picture?: number[], sizes?: Sizes): Micro {
  const row = body.op('Gather', ['micro.table', index]) // (columns,)
  const parts = body.many('Split', [row], COLUMNS.length, { axis: 0, num_outputs: COLUMNS.length })
  const at = (column: Column) => parts[COLUMNS.indexOf(column)]
  // Sizes get names, so that shapes that are equal are known to be.
  body.known.set(at('rows'), [sizes?.rows ?? 'B'])
  body.known.set(at('length'), [sizes?.length ?? 'T'])
  const piece = (flat: string, start: string, end: string, shape: Dim[]) => {
    const value = body.op('Slice', [flat, start, end, body.ints([0])])
    body.types.set(value, { dtype: body.type(flat).dtype, shape })
    return value
  }
  const [rows, length] = [at('rows'), at('length')]
  const end = body.op('Add', [at('ids'), body.op('Mul', [rows, length])])
  const flat = piece('micro.ids', at('ids'), end, [sizes ? sizes.rows * sizes.length : 'B*T'])
  const ids = body.op('Reshape', [flat, body.op('Concat', [rows, length], { axis: 0 })])
  const target = (name: string) => piece(name, at('targets'), at('targetsEnd'), [sizes?.targets ?? 'R'])
  return {
    ids,
    rows,
    length,
    positions: target('micro.positions'),
    labels: target('micro.labels'),
    weights: target('micro.weights'),
    ...(picture && {
      pixels: piece('micro.pixels', at('images'), at('imagesEnd'), [sizes?.images ?? 'I', ...picture]),
      places: piece('micro.places', at('places'), at('placesEnd'), ['P']),
    }),
  }
}

/** What a run of micro-batches amounts to. */
export interface Load {
  feeds: Record<string, HostTensor>
  /** Learnt tokens. */
  targets: number
  /** Tokens, padding left out. */
  tokens: number
  /** Tokens, padding included. */
  padded: number
}

/**
 * Lays micro-batches out. Without pictures in a micro-batch a blank one stands in, which nothing looks at.
 *
 * @param picture (C, H, W) and the token that stands for a patch, for models that see
 */
export function lay(micro: Sequence[][], picture?: { shape: number[]; token: number }): Load {
  const lengths = micro.map(batch => Math.max(...batch.map(s => s.ids.length)))
  const padded = micro.reduce((sum, batch, m) => sum + batch.length * lengths[m], 0)
  const ids = new BigInt64Array(padded)
  const [positions, labels, weights, places]: [number[], number[], number[], number[]] = [[], [], [], []]
  const pixels: Float32Array[] = []
  const table: number[] = []
  let [start, tokens] = [0, 0]
  const blank = picture && new Float32Array(picture.shape.reduce((a, b) => a * b, 1))
  micro.forEach((batch, m) => {
    const [targets, images, seats] = [positions.length, pixels.length, places.length]
    batch.forEach((sequence, b) => {
      const offset = b * lengths[m]
      tokens += sequence.ids.length
      sequence.ids.forEach((id, t) => {
        ids[start + offset + t] = BigInt(id)
        if (id === picture?.token) places.push(offset + t)
        if (t === 0 || !sequence.learnt[t]) return
        positions.push(offset + t - 1)
        labels.push(id)
        weights.push(sequence.weight)
      })
      pixels.push(...sequence.pixels)
    })
    if (blank && pixels.length === images) pixels.push(blank)
    const at: Record<Column, number> = {
      rows: batch.length,
      length: lengths[m],
      ids: start,
      targets,
      targetsEnd: positions.length,
      images,
      imagesEnd: pixels.length,
      places: seats,
      placesEnd: places.length,
    }
    table.push(...COLUMNS.map(column => at[column]))
    start += batch.length * lengths[m]
  })
  const feeds: Record<string, HostTensor> = {
    'micro.table': int64(table, [micro.length, COLUMNS.length]),
    'micro.ids': { dtype: 'int64', shape: [padded], data: ids },
    'micro.positions': int64(positions),
    'micro.labels': int64(labels),
    'micro.weights': { dtype: 'float32', shape: [weights.length], data: Float32Array.from(weights) },
  }
  if (picture) {
    feeds['micro.pixels'] = { dtype: 'float32', shape: [pixels.length, ...picture.shape], data: joined(pixels) }
    feeds['micro.places'] = int64(places)
  }
  return { feeds, targets: labels.length, tokens, padded }
}

const int64 = (values: number[], shape = [values.length]): HostTensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
})

function joined(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
