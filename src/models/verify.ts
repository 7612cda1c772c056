/**
 * Whether two sets of graphs compute the same: the new ones are opened in ONNX Runtime, then both are run, in segments
 * for memory's sake, on the same few tokens and, as its processor makes it ready, a picture of noise. Where there is no
 * processor a tower gets noise for pixels; one that wants more than pixels is then opened only.
 */

import { type Graph, type Model, sizeOf } from '../graph/ir.ts'
import { type HostTensor, openSession } from '../graph/session.ts'
import { stream } from '../random.ts'
import type { ModelFolder } from './folder.ts'
import { openPictures, type Vision } from './pictures/pictures.ts'
import { hasProcessor } from './pictures/processor.ts'
import { runInSegments } from './segments.ts'

/** A model's graphs, and where their weights lie. */
export interface Graphs {
  names: string[]
  graph(name: string): Promise<Model>
  onnx: string
}

export interface Difference {
  /** What was compared: logits, or what a tower gives. */
  output: string
  /** Root mean square of the differences over that of the values. */
  relative: number
  /** False where a number of the new graphs is infinite or none. */
  finite: boolean
  /** False where the tower was opened, not run. */
  run: boolean
}

const TOKENS = 8
/** Of the picture, in pixels. */
const SIDE = 64
/** What symbolic sizes become; others become 1. */
const SIZES: Record<string, number> = { sequence: TOKENS, 'past+sequence': TOKENS, past: 0 }

/**
 * Runs both and compares what comes out, graph by graph; embeddings go on to the decoder.
 *
 * @param vision inputs of the vision graph
 */
export async function compare(source: Graphs, made: Graphs, vision: Vision = {}): Promise<Difference[]> {
  const found: Difference[] = []
  for (const name of made.names) {
    const model = await made.graph(name)
    await (await openSession(model, { folder: made.onnx, lean: true, spin: false })).close()
    if (name === 'embed_tokens') continue
    const run = model.graph.inputs.every(input => input in vision || KNOWN.test(input))
    const same = run
      ? differenceOf(await output(source, name, vision), await output(made, name, vision))
      : { relative: 0, finite: true }
    found.push({ output: model.graph.outputs.includes('logits') ? 'logits' : name, ...same, run })
  }
  return found
}

const KNOWN = /^(input_ids|inputs_embeds|attention_mask|position_ids|pixel_values|past_key_values\..*)$/

/** A square of noise, as the folder's processor gives it to the vision graph; empty where it has no processor. */
export async function noisePicture(folder: ModelFolder): Promise<Vision> {
  if (folder.kind === 'lm' || !(await hasProcessor(folder.path))) return {}
  const { default: sharp } = await import('sharp')
  const next = stream(0, 'verify', 'picture')
  const pixels = Uint8Array.from({ length: 3 * SIDE * SIDE }, () => 256 * next())
  const picture = await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer()
  return (await openPictures(folder)).vision([picture])
}

/** The first output of a graph. */
async function output(graphs: Graphs, name: string, vision: Vision): Promise<Float32Array> {
  const { graph } = await graphs.graph(name)
  const feeds = Object.fromEntries(graph.inputs.map(input => [input, vision[input] ?? feed(graph, input)]))
  if (feeds.inputs_embeds && graphs.names.includes('embed_tokens')) {
    feeds.inputs_embeds = { ...feeds.inputs_embeds, data: await output(graphs, 'embed_tokens', {}) }
  }
  const wanted = graph.outputs.includes('logits') ? 'logits' : graph.outputs[0]
  return (await runInSegments(graph, feeds, wanted, graphs.onnx)).data as Float32Array
}

function feed(graph: Graph, name: string): HostTensor {
  const { dtype, shape } = graph.type(name)
  const sizes = shape!.map(dim => (typeof dim === 'number' ? dim : (SIZES[dim] ?? 1)))
  const count = sizeOf(sizes)
  const next = stream(0, 'verify', name)
  if (dtype === 'float32')
    return { dtype, shape: sizes, data: Float32Array.from({ length: count }, () => 2 * next() - 1) }
  // Any vocabulary has so many tokens.
  const value = (i: number) => name === 'attention_mask' ? 1 : name === 'position_ids' ? i % TOKENS : Math.floor(64 * next()) // biome-ignore format: one thought
  return { dtype, shape: sizes, data: BigInt64Array.from({ length: count }, (_, i) => BigInt(value(i))) }
}

function differenceOf(expected: Float32Array, got: Float32Array): Pick<Difference, 'relative' | 'finite'> {
  let [error, size, finite] = [0, 0, expected.length === got.length]
  for (let i = 0; i < got.length; i++) {
    error += (got[i] - expected[i]) ** 2
    size += expected[i] ** 2
    finite &&= Number.isFinite(got[i])
  }
  return { relative: error === 0 ? 0 : Math.sqrt(error / size), finite }
}
