/**
 * Arithmetic on sizes that may be symbolic. A result that cannot be named by its parts gets a name of its own, so two
 * sizes are equal exactly where their names are.
 */

import type { Dim } from './ir.ts'

let unknowns = 0

/** A size about which nothing is known. */
export const unknown = (): Dim => `?${unknowns++}`

export function add(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a === 0) return b
  if (b === 0) return a
  return `${a}+${b}`
}

export function subtract(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (b === 0) return a
  if (a === b) return 0
  const tail = `+${b}`
  if (typeof a === 'string' && a.endsWith(tail)) return numeric(a.slice(0, -tail.length))
  const head = `${b}+`
  if (typeof a === 'string' && a.startsWith(head)) return numeric(a.slice(head.length))
  return unknown()
}

export function multiply(a: Dim, b: Dim): Dim {
  return quotient([a, b], [])
}

/** The product of `over` divided by the product of `under`; equal symbols cancel. */
export function quotient(over: Dim[], under: Dim[]): Dim {
  let number = 1
  const symbols: string[] = []
  for (const dim of over.flatMap(factors)) {
    if (typeof dim === 'number') number *= dim
    else symbols.push(dim)
  }
  for (const dim of under.flatMap(factors)) {
    if (typeof dim === 'number') number /= dim
    else if (symbols.includes(dim)) symbols.splice(symbols.indexOf(dim), 1)
    else return unknown()
  }
  if (number === 0 || symbols.length === 0) return Number.isInteger(number) ? number : unknown()
  if (number === 1 && symbols.length === 1) return symbols[0]
  return Number.isInteger(number)
    ? [...symbols.map(parenthesize).sort(), ...(number === 1 ? [] : [number])].join('*')
    : unknown()
}

/** The size two broadcast sizes have together, by ONNX's (NumPy's) rule. */
export function broadcast(a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a
  if (a === 1) return b
  if (typeof a === 'number') return a // the other is a symbol, which can only be 1 or the same
  return typeof b === 'number' ? b : unknown()
}

export function broadcastShapes(a: Dim[], b: Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length)
  const at = (shape: Dim[], i: number) => shape[i - (rank - shape.length)] ?? 1
  return Array.from({ length: rank }, (_, i) => broadcast(at(a, i), at(b, i)))
}

const parenthesize = (dim: string) => (dim.includes('+') ? `(${dim})` : dim)
const numeric = (dim: string): Dim => (/^\d+$/.test(dim) ? Number(dim) : dim)
const factors = (dim: Dim): Dim[] =>
  typeof dim === 'string' && !dim.includes('+') ? dim.split('*').map(numeric) : [dim]
