/**
 * Spelling: everything that may be written in several ways without meaning anything else is brought to one of them before parsing.
 * What it leaves out: anything that would need to know what the answer means (units, thousands, lists), which is the parser's business.
 */

import { trimEdges } from './strings.ts'

const UNICODE: Record<string, string> = {
  '−': '-',
  '–': '-',
  '—': '-',
  '－': '-',
  '＋': '+',
  '×': ' \\times ',
  '·': ' \\cdot ',
  '⋅': ' \\cdot ',
  '•': ' \\cdot ',
  '∙': ' \\cdot ',
  '÷': ' \\div ',
  '∕': '/',
  '⁄': '/',
  '／': '/',
  '≤': ' \\le ',
  '⩽': ' \\le ',
  '≥': ' \\ge ',
  '⩾': ' \\ge ',
  '＜': '<',
  '＞': '>',
  '≠': ' \\ne ',
  '≈': ' \\approx ',
  '∼': ' \\sim ',
  '＝': '=',
  '±': ' \\pm ',
  '∓': ' \\mp ',
  '√': ' \\sqrt ',
  '∛': ' \\sqrt[3] ',
  '∞': ' \\infty ',
  π: ' \\pi ',
  θ: ' \\theta ',
  α: ' \\alpha ',
  β: ' \\beta ',
  γ: ' \\gamma ',
  δ: ' \\delta ',
  λ: ' \\lambda ',
  μ: ' \\mu ',
  ω: ' \\omega ',
  φ: ' \\phi ',
  σ: ' \\sigma ',
  ρ: ' \\rho ',
  τ: ' \\tau ',
  ε: ' \\epsilon ',
  Δ: ' \\Delta ',
  Ω: ' \\Omega ',
  '°': '^\\circ ',
  º: '^\\circ ',
  '℃': '^\\circ C',
  '％': '%',
  '，': ', ',
  '、': ', ',
  '。': '. ',
  '；': '; ',
  '：': ':',
  '∶': ':',
  '（': '(',
  '）': ')',
  '［': '[',
  '］': ']',
  '｛': '{',
  '｝': '}',
  '｜': '|',
  '∪': ' \\cup ',
  '∩': ' \\cap ',
  '∈': ' \\in ',
  '∅': ' \\emptyset ',
  '∠': ' \\angle ',
  '△': ' \\triangle ',
  '′': "'",
  '’': "'",
  '⟨': ' \\langle ',
  '⟩': ' \\rangle ',
  '→': ' \\to ',
  '…': ' \\ldots ',
  '½': '\\frac{1}{2}',
  '⅓': '\\frac{1}{3}',
  '⅔': '\\frac{2}{3}',
  '¼': '\\frac{1}{4}',
  '¾': '\\frac{3}{4}',
  '\u00a0': ' ',
  '\u2009': ' ',
  '\u202f': ' ',
  '\u3000': ' ',
  '\u200b': '',
  '\ufeff': '',
}
const SUPER = '⁰¹²³⁴⁵⁶⁷⁸⁹'
const SUB = '₀₁₂₃₄₅₆₇₈₉'
const NON_ASCII = /[^\x20-\x7e]/

/** Unicode mathematics as LaTeX; other characters pass, controls become spaces. */
function ascii(text: string): string {
  if (!NON_ASCII.test(text)) return text
  let out = ''
  let raised = ''
  for (const char of text) {
    const power = SUPER.indexOf(char)
    if (power >= 0) {
      raised += power
      continue
    }
    if (raised) {
      out += `^{${raised}}`
      raised = ''
    }
    const low = SUB.indexOf(char)
    const code = char.codePointAt(0)!
    if (low >= 0) out += `_${low}`
    else if (Object.hasOwn(UNICODE, char)) out += UNICODE[char]
    else if (code < 32 || code === 127) out += ' '
    else if (code >= 0xff10 && code <= 0xff5a) out += String.fromCharCode(code - 0xfee0)
    else out += char
  }
  return raised ? `${out}^{${raised}}` : out
}

const SPACES = /(?<!\\)\\(?:[,;:> ]|quad(?![a-zA-Z])|qquad(?![a-zA-Z])|(?:thin|med|thick|hskip|en)space(?![a-zA-Z]))/g
const NOTHING =
  /\\(?:!|left(?![a-zA-Z])|right(?![a-zA-Z])|[bB]igg?[lr]?(?![a-zA-Z])|displaystyle(?![a-zA-Z])|textstyle(?![a-zA-Z])|limits(?![a-zA-Z])|phantom\{[^{}]*\})/g

/** A unit with its power in one group: `\\mathrm{m\\,s^{-2}}`. */
const RAISED = /\\(mathrm|text)\{([^{}]{1,40})\^\{(-?\d)\}([^{}]{0,40})\}/g

/**
 * One spelling of an answer: no dollar signs, spacing commands, sizes, double escapes or sentence ends.
 * Linear in the length.
 */
export function normalize(text: string): string {
  let s = ascii(text)
  if (s.includes('\\\\') && !s.includes('\\begin')) s = s.replace(/\\\\(?=[a-zA-Z{}([)\]%$])/g, '\\')
  s = s.replace(/\\n(?![a-zA-Z])/g, ' ')
  s = s
    .replace(/\\\$/g, '')
    .replace(/\$/g, ' ')
    .replace(/ ?\{, *\} ?|,(?:\\! ?)+/g, ',')
  if (s.includes('\\')) {
    s = s
      .replace(/\\[()[\]]/g, ' ')
      .replace(/(\d{0,12})\.(\d{0,12})\\(?:overline|dot|bar)\{(\d{1,12})\}/g, (_, a, b, c) => repeating(a, b, c))
      .replace(NOTHING, '')
      .replace(
        RAISED,
        (_, font, unit, power, rest) => `\\${font}{${unit}}^{${power}}${rest.trim() && ` \\${font}{${rest}}`}`,
      )
      .replace(SPACES, ' ')
      .replace(/\\[dtc]frac(?![a-zA-Z])/g, '\\frac')
      .replace(/\\%/g, '%')
  }
  s = s.replace(/\*\*([^*]+)\*\*/g, '$1').trim()
  return trimEdges(trimEdges(s, ' \n\t:', 'start'), ' \n\t.;,:?', 'end')
}

/** `0.1\\overline{6}` as the fraction that it is. */
function repeating(whole: string, fixed: string, period: string): string {
  const n = BigInt(whole + fixed + period) - BigInt(whole + fixed || '0')
  return `\\frac{${n}}{${10n ** BigInt(fixed.length) * (10n ** BigInt(period.length) - 1n)}}`
}

/** The words of an answer: lower case, no markup, one space; two texts are the same answer where this is. */
export function words(text: string): string {
  let s = ascii(text).replace(/\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname|rm|bf)\b\s*/g, '')
  s = s.replace(/\\(?:left|right|[,;:! ]|quad|displaystyle)/g, ' ').replace(/[${}*]/g, ' ')
  s = s.toLowerCase().replace(/\s+/g, ' ').trim()
  return trimEdges(s, ' .:;,"\'`!?')
}
