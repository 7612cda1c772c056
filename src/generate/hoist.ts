/** Moves out of a Loop's body what does not change from one iteration to the next. */

import type { Graph } from '../graph/ir.ts'
import { reads } from '../graph/prune.ts'

/** Moves nodes of `body` that read only values of its parent to the end of the parent, in order. */
export function hoist(body: Graph): void {
  const parent = body.parent!
  for (const [name, tensor] of body.initializers) {
    parent.weight(name, tensor)
    const integers = body.known.get(name)
    if (integers) parent.known.set(name, integers)
    body.types.delete(name)
  }
  body.initializers.clear()
  const kept = []
  for (const node of body.nodes) {
    if (body.outputs.some(output => node.outputs.includes(output)) || reads(node).some(name => body.types.has(name))) {
      kept.push(node)
      continue
    }
    for (const output of node.outputs) {
      body.types.delete(output)
      body.known.delete(output)
    }
    parent.add(node)
  }
  body.nodes = kept
}
