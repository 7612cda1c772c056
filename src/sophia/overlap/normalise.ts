/**
 * A question without its dress: what stays the same when a problem is copied from one data set to another. Gives
 * tokens, since both kinds of comparison want them: joined, they are the text that counts as exactly the same; in runs,
 * the shingles. Numbers and operators stay, so that another number makes another question.
 */

/** Marks that stand for pictures: `<image>`, `<image1>`, `<img_12>`, `<|image_pad|>`, `![](…)`. */
const pictureMarks =
  /<\|?\/?(?:image|img|vision|picture)[\w ]{0,40}\|?>|!\[[^\]\n]{0,200}\]\([^)\n]{0,2000}\)|\[(?:image|img|图) ?\d{0,4}\]/gi

/** Commands that only dress: sizes, spaces, fonts. Their arguments stay. */
const dressing =
  /\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|quad|qquad|text(?:bf|it|rm|sf|tt|normal|up)?|math(?:rm|bf|it|sf|tt|cal|bb|scr|frak|op)|operatorname|mbox|hbox|boldsymbol|bm|[hv]space\*?\{[^}]{0,40}\}|(?:begin|end)\{[a-z]{1,20}\*?\}|item|noindent|par|nonumber|(?:tag|label)\{[^}]{0,80}\})(?![a-zA-Z])|\\[,;:!> ()[\]]|\\\\/g

/** Commands, as the sign that others write for the same. */
const signs: Record<string, string> = {
  times: '×', cdot: '·', div: '÷', pm: '±', le: '≤', leq: '≤', leqslant: '≤', ge: '≥', geq: '≥', geqslant: '≥', ne: '≠', neq: '≠',
  circ: '°', degree: '°', angle: '∠', triangle: '△', parallel: '∥', perp: '⊥', infty: '∞', pi: 'π', sqrt: '√', to: '→',
  rightarrow: '→', ldots: '', cdots: '', dots: '', lt: '<', gt: '>', in: '∈', cup: '∪', cap: '∩', alpha: 'α', beta: 'β', theta: 'θ',
} // biome-ignore format: a table

const superscripts: Record<string, string> = {
  '²': '^2',
  '³': '^3',
  '¹': '^1',
  '⁴': '^4',
  '⁵': '^5',
  '⁶': '^6',
  ⁿ: '^n',
}

/** A number, a CJK character, a word, or any other single sign. */
const token = /\d+(?:\.\d+)?|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{M}]+|[^\s\p{L}\p{M}\d]/gu

/** Punctuation of sentences; brackets and operators are not among it. */
const punctuation = /^[.,;:?!'"`…_{}~$&\\#@。、，；：？！“”‘’「」『』《》·]$/u

/** The tokens of `text` as problems are compared by: NFKC, lower case; LaTeX dress, options and picture marks dropped. */
export function tokensOf(text: string): string[] {
  // Runs of spaces become one, so that no pattern below goes over them again and again.
  const spaced = text.replace(/\s+/g, run => (run.includes('\n') ? '\n' : ' '))
  const plain = unoptioned(undressed(spaced.replace(pictureMarks, ' ')))
  const folded = plain
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[−–—‐‑]/g, '-')
    .replace(/(?<=\p{L}{2})\s*-+\s*(?=\p{L}{2})/gu, ' ')
    .replace(/⁄/g, '/')
    .replace(/∙|⋅/g, '·')
    .replace(/(?<=\d),(?=\d{3}(?!\d))/g, '')
    .replace(/['’](?=\p{L})/gu, '')
  return (folded.match(token) ?? []).filter(part => part === '·' || !punctuation.test(part))
}

function undressed(text: string): string {
  if (!/[\\²³¹⁴⁵⁶ⁿ$^]/.test(text)) return text
  return text
    .replace(dressing, ' ')
    .replace(/\\[dtc]?frac ?(\d) ?(\d)/g, ' $1/$2 ')
    .replace(
      /\\[dtc]?frac ?\{([^{}]{0,200})\} ?\{([^{}]{0,200})\}/g,
      (_, above, below) => ` ${held(above)}/${held(below)} `,
    )
    .replace(/\\([a-zA-Z]+)/g, (_, name) => ` ${signs[name] ?? name} `)
    .replace(/[²³¹⁴⁵⁶ⁿ]/g, sign => superscripts[sign])
    .replace(/\^ ?\{? ?° ?\}?/g, '°')
}

/** What a fraction bar held together, in brackets where a slash would not hold it. */
const held = (part: string) => (/^\s*[\w.]*\s*$/.test(part) ? part : `(${part})`)

const marker = /(^|[\s{,;])(?:\(([A-H])\)|（([A-H])）|([A-H])[).:．、：)])(?=[\s}]|[^A-Za-z])/g

/** `text` up to the list of options at its end: three markers in order from A, or two that begin lines. */
function unoptioned(text: string): string {
  let start = -1
  let next = 0
  let lines = 0
  for (const match of text.matchAll(marker)) {
    const letter = (match[2] ?? match[3] ?? match[4]).charCodeAt(0) - 65
    const begins = match[1] === '\n' || match[1] === ''
    if (letter === 0) {
      start = match.index
      next = 1
      lines = begins ? 1 : 0
    } else if (letter === next && start >= 0) {
      next++
      if (begins) lines++
    }
  }
  if (start < 0 || !(next >= 3 || (next === 2 && lines === 2))) return text
  const rest = text
    .slice(0, start)
    .trimEnd()
    .replace(/(?:choices|options|answer choices|选项) ?[:：]?$/i, '')
  return rest === '' ? text : rest
}
