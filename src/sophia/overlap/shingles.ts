/** Runs of tokens as numbers, so that texts are compared without comparing each with each. */

/** Tokens in a shingle. A Chinese character is a token and says less than a word. */
const words = 5
const characters = 8

const han = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u

/** The distinct hashes (52 bits) of the runs of 5 tokens, or of 8 where most are characters; none in a shorter text. */
export function shinglesOf(tokens: string[]): Set<number> {
  const chinese = tokens.reduce((count, token) => (han.test(token) ? count + 1 : count), 0)
  const size = 2 * chinese > tokens.length ? characters : words
  const hashes = tokens.map(hashOf)
  const made = new Set<number>()
  for (let start = 0; start + size <= hashes.length; start++) {
    let high = 0x9e3779b9
    let low = 0x85ebca6b
    for (let at = start; at < start + size; at++) {
      high = Math.imul(high ^ hashes[at], 0x01000193)
      high = (high << 13) | (high >>> 19)
      low = Math.imul(low ^ hashes[at], 0xc2b2ae35)
      low ^= low >>> 15
    }
    made.add((high >>> 0) * 2 ** 20 + ((low >>> 0) % 2 ** 20))
  }
  return made
}

/** 32-bit FNV-1a of the UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
