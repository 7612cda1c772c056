/**
 * From a micro-batch to the loss, out of the model folder's own graphs: vision tower → embedding → decoder → logits of
 * the positions that are learnt → weighted negative log-likelihood.
 */

import { inline } from '../graph/inline.ts'
import type { Graph, Node } from '../graph/ir.ts'
import { Graph as NewGraph } from '../graph/ir.ts'
import { prune } from '../graph/prune.ts'
import type { Micro } from './micro.ts'

/** A model folder's graphs, by file name without ending. A text-only model is `model` alone. */
export interface Parts {
  vision_encoder?: Graph
  embed_tokens?: Graph
  decoder_model_merged?: Graph
  model?: Graph
}

/** Appends the forward pass to `body`. Weights are found by name on the outermost graph, or put there. */
export function forward(body: Graph, parts: Parts, micro: Micro): { loss: string; logprob: string } {
  const decoder = parts.decoder_model_merged ?? parts.model
  if (!decoder) throw new Error('a model folder without decoder_model_merged or model graph')
  const { rows, length } = micro
  const shape = body.op('Concat', [rows, length], { axis: 0 })
  const positions = body.op('Range', [body.ints(0), body.op('Squeeze', [length, body.ints([0])]), body.ints(1)])
  const bindings: Record<string, string> = {
    position_ids: micro.axes ?? body.op('Expand', [positions, shape]), // (axes, B, T) or (B, T)
    // Padding stands on the right, where no real token looks: every token may be called real.
    attention_mask: body.op('Expand', [body.ints([1]), shape]), // (B, T)
    num_logits_to_keep: body.ints(0),
    learnt_positions: micro.positions,
  }
  if (decoder.inputs.includes('input_ids')) bindings.input_ids = micro.ids
  else bindings.inputs_embeds = embeddings(body, parts, micro)
  for (const name of decoder.inputs.filter(input => input.startsWith('past_key_values.'))) {
    const [, heads, , size] = decoder.shape(name) as number[]
    const empty = body.op('Concat', [rows, body.ints([heads, 0, size])], { axis: 0 })
    bindings[name] = body.op('ConstantOfShape', [empty]) // (B, KV, 0, Dh)
  }
  const learnt = learntLogits(decoder)
  const made = inline(body, learnt, bindings, 'policy/')
  return likelihood(body, made[learnt.outputs[0]], micro)
}

/** inputs_embeds (B, T, D), pictures' features in the places that the ids keep for them. */
function embeddings(body: Graph, { embed_tokens, vision_encoder }: Parts, micro: Micro): string {
  if (!embed_tokens) throw new Error('a decoder that takes inputs_embeds needs embed_tokens beside it')
  const text = inline(body, embed_tokens, { input_ids: micro.ids }, 'embed/').inputs_embeds
  if (!vision_encoder || !micro.vision || !micro.places) return text
  const [, , width] = body.shape(text)!
  const { image_features } = inline(body, vision_encoder, micro.vision, 'vision/')
  const flat = body.op('Reshape', [image_features, body.ints([-1, Number(width)])]) // (features, D)
  const count = body.op('Shape', [micro.places])
  const used = body.op('Slice', [flat, body.ints([0]), count, body.ints([0])]) // a dummy picture falls away here
  body.types.set(used, { dtype: 'float32', shape: ['P', width] })
  const at = body.op('Unsqueeze', [micro.places, body.ints([1])]) // (P, 1)
  const merged = body.op('ScatterND', [body.op('Reshape', [text, body.ints([-1, Number(width)])]), at, used])
  return body.op('Reshape', [merged, body.op('Shape', [text])])
}

/**
 * The decoder with logits (R, V) of the positions in a new input `learnt_positions` (R,) only. The rows are picked
 * before the product with the head where the graph ends in one, which saves its work on the prompt; else after.
 */
export function learntLogits(decoder: Graph): Graph {
  const output = decoder.outputs.includes('logits') ? 'logits' : decoder.outputs[0]
  const head = headOf(decoder, output)
  const result = new NewGraph(decoder.name)
  for (const input of decoder.inputs) result.input(input, decoder.type(input).dtype, decoder.shape(input)!)
  const picks = result.input('learnt_positions', 'int64', ['R'])
  for (const [name, tensor] of decoder.initializers) result.weight(name, tensor)
  for (const [name, integers] of decoder.known) result.known.set(name, integers)
  const pick = (value: string) => {
    const width = Number(result.shape(value)!.at(-1))
    return result.op('Gather', [result.op('Reshape', [value, result.ints([-1, width])]), picks])
  }
  for (const node of decoder.nodes) {
    if (node === head) result.add({ ...node, inputs: [pick(node.inputs[0]), ...node.inputs.slice(1)] })
    else result.add(node)
  }
  result.output(head ? output : pick(output))
  prune(result)
  return result
}

/** The MatMul that makes `output`, seen through operators that work on each row alone. */
function headOf(graph: Graph, output: string): Node | undefined {
  const makers = graph.producers()
  let node = makers.get(output)
  while (node && (node.op === 'Identity' || node.op === 'Cast')) node = makers.get(node.inputs[0])
  if (!node || graph.shape(node.inputs[0])?.length !== 3) return undefined
  const fits = node.op === 'MatMulNBits' || (node.op === 'MatMul' && graph.shape(node.inputs[1])?.length === 2)
  return fits ? node : undefined
}

/** logits (R, V) → loss Σ −w·log π(label) and logprob Σ log π(label), scalars. */
function likelihood(body: Graph, logits: string, { labels, weights }: Micro): { loss: string; logprob: string } {
  const logs = body.op('LogSoftmax', [logits], { axis: -1 })
  const picked = body.op('GatherElements', [logs, body.op('Unsqueeze', [labels, body.ints([1])])], { axis: 1 })
  const each = body.op('Squeeze', [picked, body.ints([1])]) // (R,)
  const loss = body.op('Neg', [body.op('ReduceSum', [body.op('Mul', [each, weights])], { keepdims: 0 })])
  return { loss, logprob: body.op('ReduceSum', [each], { keepdims: 0 }) }
}
