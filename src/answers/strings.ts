/** Two small helpers on raw values and texts, for what a row may hold. */

/** The text without the characters of `set` at its edges. Linear, which an expression like `x+$` is not. */
export function trimEdges(text: string, set: string, side: 'both' | 'start' | 'end' = 'both'): string {
  let start = 0
  let end = text.length
  if (side !== 'end') while (start < end && set.includes(text[start])) start++
  if (side !== 'start') while (end > start && set.includes(text[end - 1])) end--
  return text.slice(start, end)
}

/** A scalar field as text; nothing for whatever else a row may hold there. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : ''
}
