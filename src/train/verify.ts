/**
 * Whether what was saved is what was trained: the log-probability of one learnt sequence by the run's own graphs and
 * weights, by the folder that was written, and by the base with the adapter that was written.
 */

import { lower } from '../autodiff/lower.ts'
import { Graph } from '../graph/ir.ts'
import { modelOf } from '../graph/proto.ts'
import { type HostTensor, openSession, type SessionOptions } from '../graph/session.ts'
import { type ModelFolder, openFolder } from '../models/folder.ts'
import { type Fit, forward, type Parts } from './forward.ts'
import { learnable } from './learnable.ts'
import { cut, declare, lay, type Reading, type Sequence } from './micro.ts'
import { openParts, type Policy } from './policy.ts'

/** What a token's log-probability may be apart, in the mean: of weights saved in single precision, and of halves. */
const LIMITS = { single: 1e-3, half: 0.1 }

/**
 * @param out the folder that was written, or, where weights take no adapter in, the folder with `adapter/` in it
 * @param sequence any learnt one
 * @throws Error where they differ: what was saved is not to be used
 */
export async function verifySaved(
  out: { model?: string; adapter?: string },
  folder: ModelFolder,
  policy: Policy,
  weights: Map<string, HostTensor>,
  sequence: Sequence,
  { fit, session }: { fit: Fit; session: SessionOptions },
): Promise<void> {
  const { reading, parts, compute, rebuilt } = policy
  const how = rebuilt && { checkpoint: true, compute }
  const learnt = sequence.learnt.reduce((sum, flag) => sum + flag, 0)
  const under = (own: Parts, given: Map<string, HostTensor>, at: { onnx: string }) =>
    likelihood(own, given, reading, sequence, fit, { ...session, folder: at.onnx })
  const expected = await under(parts, weights, policy)
  const saved: [string, () => Promise<ModelFolder>][] = []
  if (out.model) saved.push([out.model, () => openFolder(out.model!, { ...how })])
  if (out.adapter)
    saved.push([out.adapter, () => openFolder(folder.path, { adapter: out.adapter, dtype: folder.dtype, ...how })])
  for (const [place, open] of saved) {
    const opened = await open()
    const own = learnable(await openParts(opened, compute), [], compute !== 'float32')
    const apart = Math.abs((await under(own, new Map(), opened)) - expected) / learnt
    const rounded = place === out.model && inHalves(parts)
    let limit = rounded || compute !== 'float32' ? LIMITS.half : LIMITS.single
    // What little a short run has learnt may be all rounded away.
    if (rounded && apart > limit) limit += Math.abs((await under(parts, new Map(), policy)) - expected) / learnt
    if (!(apart <= limit))
      throw new Error(`${place}: what was saved gives a log-probability that is ${apart} a token from what was trained`)
  }
}

/** Weights that were stored in halves are so again, with what they have learnt rounded. */
const inHalves = (parts: Parts) =>
  Object.values(parts).some((part: Graph) =>
    [...part.initializers.values()].some(({ dtype }) => /float16$/.test(dtype)),
  )

/** Σ log π(label) over the learnt tokens of a sequence; `given` are weights that are not the graphs' own. */
async function likelihood(
  parts: Parts,
  given: Map<string, HostTensor>,
  reading: Reading,
  sequence: Sequence,
  fit: Fit,
  session: SessionOptions,
): Promise<number> {
  const g = new Graph('likelihood')
  for (const [name, { dtype, shape }] of given) g.input(name, dtype, shape)
  declare(g, reading)
  g.output(forward(g, parts, cut(g, g.ints(0), reading), fit).logprob, 'logprob')
  lower(g)
  const opened = await openSession(modelOf(g), { frugal: true, ...session })
  const made = await opened.run({ ...lay([[sequence]], reading), ...Object.fromEntries(given) })
  await opened.close()
  return Number(made.logprob.data[0])
}
