/** Multiple choice: which letter a response means, and which text a letter stands for. It never picks a letter for want of one. */
import { words } from './normalize.ts'
import { pythonList } from './python-list.ts'
import { textOf, trimEdges } from './strings.ts'

const LETTERS = 'ABCDEFGHIJ'
const LETTER =
  /^\s*(?:\\(?:text|textbf|mathrm|mathbf|textrm|boxed)\s*\{)?\s*[([{]?\s*([A-J])\s*[)\]}]?\s*\}?\s*(?:$|[.):：,、，。;\n]|\s+[^\s=+*/^_-])/

/** The options of a problem as texts; none where the field is missing. */
export function optionTexts(options: unknown): string[] {
  if (Array.isArray(options)) return options.map(textOf)
  if (typeof options === 'string' && options.trim().startsWith('[')) {
    try {
      const list: unknown = JSON.parse(options)
      if (Array.isArray(list)) return list.map(textOf)
    } catch {
      return pythonList(options) ?? []
    }
  }
  return []
}

/** The letter that an answer gives, `C`, `(C)`, `C. 12 cm`, `\text{(C)}`; null where it gives none. */
export function letterOf(answer: string): string | null {
  const trimmed = trimEdges(answer, ' \n\t$*').replace(
    /^(?:the )?(?:correct )?(?:option|choice|answer)(?: is)?:? (?=\(?[A-J]\)?\.?$)/i,
    '',
  )
  if (/^[a-j]$/.test(trimmed)) return trimmed.toUpperCase()
  if (/^[AI] (?:[a-z]+\s+){3}/.test(trimmed)) return null // a sentence: A figure like that …, I do not …
  const small = /^\(([a-j])\)$/.exec(trimmed)
  if (small) return small[1].toUpperCase()
  const match = LETTER.exec(trimmed)
  return match ? match[1] : null
}

/** Whether a gold answer is a letter of an option, in brackets or not. */
export function goldLetter(gold: string): string | null {
  const match = /^\s*\(?([A-J])\)?\.?\s*$/.exec(
    gold.replace(/\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}/g, '$1').replace(/\$/g, ''),
  )
  return match ? match[1] : null
}

/** The text of a letter's option, or null. A leading `(A)` or `A.` of the option itself is left out. */
export function optionText(letter: string, options: string[]): string | null {
  const text = options[LETTERS.indexOf(letter)]
  if (text === undefined) return null
  return text.replace(new RegExp(`^\\s*(?:\\(${letter}\\)|${letter}[.:)])\\s*`), '').trim()
}

/** Whether the options say nothing but their own letters: the choices are marks in the figure. */
export function lettersOnly(options: string[]): boolean {
  return options.length > 0 && options.every((option, i) => words(option).toUpperCase() === LETTERS[i])
}

/** `I` where it speaks of the writer: `the answer I get`. */
const PRONOUN = 'I (?!because|since|as |is |and |or )[a-z]'

/** The letter that a response without a box ends on: `The answer is (C).`, `C` on a line of its own at the end or at the start. */
export function spokenLetter(text: string, count: number): string | null {
  const last = LETTERS[Math.max(1, Math.min(count || 5, 10)) - 1]
  const letter = `[A-${last}]`
  const alone = new RegExp(
    `(?:^|\\n|\\b(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore),? )[ \\t]*\\(?\\**(${letter})\\**\\)?[.)。]?\\s*$`,
  ).exec(text.slice(-2000).trim().slice(-60))
  if (alone) return alone[1]
  const phrase = '[Aa]nswer|ANSWER|[Oo]ption|OPTION|[Cc]hoice|CHOICE|答案|选'
  const said = [
    ...text
      .slice(-4000)
      .matchAll(
        new RegExp(
          `(?:${phrase})[^\\n.]{0,30}?(?:[\\s(（:：是为*{"“]+|(?<=(?<!不)选))(?!${PRONOUN})(${letter})(?![a-zA-Z'’])`,
          'g',
        ),
      ),
  ]
  const final = said[said.length - 1]?.[1]
  if (final) return final
  const held = [
    ...text.slice(-4000).matchAll(new RegExp(`[\\s(*](${letter})[)*]* is (?:the )?(?:correct|right)\\b`, 'g')),
  ]
  const right = held[held.length - 1]?.[1]
  if (right) return right
  const first = new RegExp(`^\\s*\\(?\\**(${letter})\\**(?:[).:：。]|\\s*\\n|$)`).exec(text)
  return first ? first[1] : null
}
