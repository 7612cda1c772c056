/** Convolution (any number of spatial axes). Left out: auto_pad that pads, and the weight gradient of grouped convolutions. */

import { padded } from '../writer.ts'
import { product } from './matmul.ts'
import type { Rule, Site } from './site.ts'

export const CONV: Record<string, Rule> = {
  Conv: s => {
    if (!['NOTSET', 'VALID'].includes(s.text('auto_pad', 'NOTSET'))) s.refuse('a Conv with auto_pad')
    const notChannels = [0, ...settings(s).axes.map(i => i + 2)]
    const bias = s.x[2] ? s.sum(s.g, notChannels, 0) : null
    const kernel = s.wanted(1) ? (isPatches(s) ? patchGradient(s) : weightGradient(s)) : null
    return [s.wanted(0) ? dataGradient(s) : null, kernel, bias]
  },
}

function settings(s: Site) {
  const axes = Array.from({ length: s.graph.rank(s.x[0]) - 2 }, (_, i) => i)
  const [strides, dilations] = ['strides', 'dilations'].map(name => s.list(name) ?? axes.map(() => 1))
  return { axes, strides, dilations, pads: s.list('pads') ?? [...axes, ...axes].map(() => 0), group: s.int('group', 1) }
}

/** The transposed convolution into the padded input, cut back to the input. */
function dataGradient(s: Site): string {
  const { axes, strides, dilations, pads, group } = settings(s)
  const spatial = s.graph.ints(axes.map(i => i + 2))
  const whole = s.op('ConvTranspose', [s.g, s.x[1]], { strides, dilations, group })
  const sizes = (value: string) => s.op('Gather', [s.op('Shape', [value]), spatial])
  const start = s.graph.ints(axes.map(i => pads[i]))
  const end = s.add(start, sizes(s.x[0]))
  // Where the stride left a rest, the last columns were never read.
  const short = s.op('Max', [s.sub(end, sizes(whole)), s.graph.ints(0)])
  const filled = padded(s.graph, whole, s.concat([s.graph.ints(axes.map(() => 0)), short], 0), spatial)
  return s.op('Slice', [filled, start, end, spatial])
}

/** The data convolved with the gradient: batch and channels change places, strides and dilations too. */
function weightGradient(s: Site): string {
  const { axes, strides, dilations, pads, group } = settings(s)
  if (group !== 1) return s.refuse('the weights of a grouped Conv')
  const swap = [1, 0, ...axes.map(i => i + 2)]
  const [data, kernel] = [s.x[0], s.g].map(value => s.transpose(value, swap)) // (C, N, …), (O, N, …)
  const made = s.op('Conv', [data, kernel], { strides: dilations, dilations: strides, pads }) // (C, O, …)
  const spatial = axes.map(i => i + 2)
  const zero = s.graph.ints(axes.map(() => 0))
  return s.op('Slice', [s.transpose(made, swap), zero, s.dims(s.x[1], spatial), s.graph.ints(spatial)])
}

/** Whether the kernel steps from patch to patch and nothing is left over, as in the patch embedding of a ViT. */
function isPatches(s: Site): boolean {
  const { axes, strides, dilations, pads, group } = settings(s)
  const [data, kernel] = [s.graph.shape(s.x[0])!, s.graph.shape(s.x[1])!]
  const sizes = [...data.slice(1), ...kernel]
  if (!sizes.every(dim => typeof dim === 'number') || group !== 1 || pads.some(pad => pad !== 0)) return false
  return axes.every(
    i => strides[i] === kernel[i + 2] && dilations[i] === 1 && (data[i + 2] as number) % strides[i] === 0,
  )
}

/** For patches: one matrix product of the gradient (patches, O) and the pixels (patches, C · kernel). */
function patchGradient(s: Site): string {
  const { axes, strides } = settings(s)
  const [, channels, ...sizes] = s.graph.shape(s.x[0]) as number[]
  const outputs = s.graph.shape(s.x[1])![0] as number
  const split = s.reshape(s.x[0], [-1, channels, ...sizes.flatMap((size, i) => [size / strides[i], strides[i]])])
  const patches = s.transpose(split, [0, ...axes.map(i => 2 + 2 * i), 1, ...axes.map(i => 3 + 2 * i)])
  const pixels = s.reshape(patches, [-1, channels * strides.reduce((a, b) => a * b, 1)])
  const g = s.reshape(s.transpose(s.g, [0, ...axes.map(i => i + 2), 1]), [-1, outputs])
  return s.reshape(product(s.graph, g, pixels, true, false, 1, s.producer), s.dims(s.x[1]))
}
