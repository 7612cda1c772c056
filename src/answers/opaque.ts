/** Values of what has none: functions known by name only, sums and products with bounds that are no numbers, integrals. */
import type { Node } from './ast.ts'
import type { C } from './complex.ts'
import * as c from './complex.ts'
import { evaluate, hash, type Point } from './evaluate.ts'
import { LIMITS } from './limits.ts'

const TAU = 2 * Math.PI

/** An opaque function: a fixed wavy mix of its arguments; finite sums and products are written out. */
export function called(name: string, a: Node[], at: Point): C {
  if ((name === 'sum' || name === 'prod') && a[1]?.k === 'sym') {
    const written = writtenOut(name, a, at)
    if (written) return written
    const bound = a[1].name
    const inner: Point = {
      ...at,
      value: (s, unit) => (s === bound ? [0.4567, 0] : at.value(s, unit)),
      constants: without(at.constants, bound),
    }
    return mix(name, [evaluate(a[0], inner), evaluate(a[2], at), evaluate(a[3], at)])
  }
  return mix(
    name,
    a.map(x =>
      x.k === 'seq'
        ? mix(
            'tuple',
            x.a.map(y => evaluate(y, at)),
          )
        : evaluate(x, at),
    ),
  )
}

function mix(name: string, args: C[]): C {
  let out: C = [(hash(name) / 2 ** 32) * 3 + 0.1, 0]
  for (let i = 0; i < args.length; i++) {
    const k = hash(name, i + 1) / 2 ** 32
    out = c.add(out, c.sin(c.add(c.mul([1 + k, 0], args[i]), [k * TAU, 0])))
    out = c.add(out, c.mul([0.3 + k, 0], args[i]))
  }
  return out
}

function writtenOut(name: string, a: Node[], at: Point): C | undefined {
  const low = evaluate(a[2], at)
  const high = evaluate(a[3], at)
  if (!Number.isInteger(low[0]) || !Number.isInteger(high[0]) || low[1] !== 0 || high[1] !== 0 || a[3].k === 'sym')
    return undefined
  if (high[0] - low[0] >= LIMITS.terms || a[1].k !== 'sym' || a[1].name === '') return undefined
  const bound = a[1].name
  let k = low[0]
  const inner: Point = {
    ...at,
    value: (s, unit) => (s === bound ? [k, 0] : at.value(s, unit)),
    constants: without(at.constants, bound),
  }
  let out: C = name === 'sum' ? [0, 0] : [1, 0]
  for (; k <= high[0]; k++) {
    const x = evaluate(a[0], inner)
    out = name === 'sum' ? c.add(out, x) : c.mul(out, x)
  }
  return out
}

function without(set: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return set.has(name) ? new Set([...set].filter(x => x !== name)) : set
}
