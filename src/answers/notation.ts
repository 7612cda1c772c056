/**
 * Notations of sets that stand for plainer answers: a set by its condition, a letter that runs over the integers, words
 * for the empty set. What it leaves out: renaming the variable of a condition.
 */
import { words } from './normalize.ts'

const NONE =
  /^(?:there (?:is|are) )?no (?:real )?(?:solutions?|roots?)$|^(?:the )?empty set$|^无(?:实数?)?解$|^无实数?根$|^空集$/
const REALS = String.raw`(?: ?\\in ?(?:\\mathbb ?)?\{? ?R ?\}?)?`
const BUILDER = new RegExp(
  String.raw`^\\?\{ ?([A-Za-z])${REALS} ?(?:\\mid(?![a-zA-Z])|\\vert(?![a-zA-Z])|[|:]) ?(.+)\}$`,
)
const INTEGER = /(?<![a-zA-Z\\])([a-zA-Z]) ?\\in ?(?:\\(?:mathbb|mathbf|mathrm) ?)?\{? ?Z ?\}?/

/** `\{x \mid x > 1\}` as its condition, no solution as the empty set, the integers in one spelling. */
export function plain(text: string): string {
  if (text.length < 40 && NONE.test(words(text))) return '\\emptyset'
  if (!text.includes('\\in') && !/^\\?\{/.test(text)) return text
  const short = text.replace(/ +/g, ' ')
  const [, name, inner = ''] = BUILDER.exec(short) ?? []
  const condition = inner.replace(/ ?\\?$/, '')
  const told = condition.includes(name) && !condition.includes('\\mid') ? condition : short
  return told.replace(INTEGER, '$1\\in Z')
}

/** `text` with its letter for the integers called as in `gold`: `2n\pi, n \in Z` is `2k\pi, k \in Z`. */
export function alike(text: string, gold: string): string {
  const [ours, theirs] = [INTEGER.exec(text)?.[1], INTEGER.exec(gold)?.[1]]
  const letter = (name: string) => new RegExp(`(?<![a-zA-Z\\\\])${name}(?![a-zA-Z])`, 'g')
  if (!ours || !theirs || ours === theirs || letter(theirs).test(text)) return text
  return text.replace(letter(ours), theirs)
}
