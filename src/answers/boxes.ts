/** `\boxed{…}`: where boxes stand and what is in them, braces balanced, in one pass over the text. */

/** A box: its content, and where the whole command begins and ends. */
export type Box = { content: string; start: number; end: number }

const OPEN = /\\{0,2}(?:boxed|fbox) ?\{/g

/** The index after the brace that closes the one before `from`, or −1. Escaped braces do not count. */
export function closing(text: string, from: number): number {
  let depth = 1
  for (let i = from; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === 92) i++
    else if (char === 123) depth++
    else if (char === 125 && --depth === 0) return i + 1
  }
  return -1
}

/**
 * All outermost boxes, in order. A box inside a box counts as the inner one; a box that never closes is left out.
 * Work is bounded: at most the last 64 openings are looked at.
 */
export function boxes(text: string): Box[] {
  const opens: [start: number, from: number][] = []
  OPEN.lastIndex = 0
  for (let match = OPEN.exec(text); match; match = OPEN.exec(text))
    opens.push([match.index, match.index + match[0].length])
  const out: Box[] = []
  let covered = 0
  let misses = 0
  for (const [start, from] of opens.slice(-64)) {
    if (start < covered || misses > 8) continue
    const end = closing(text, from)
    if (end < 0) {
      misses++
      continue
    }
    let content = text.slice(from, end - 1)
    const inner = /^\s*\\boxed\s*\{/.exec(content)
    if (inner) {
      const close = closing(content, inner[0].length)
      if (close > 0 && content.slice(close).trim() === '') content = content.slice(inner[0].length, close - 1)
    }
    out.push({ content, start, end })
    covered = end
  }
  return out
}
