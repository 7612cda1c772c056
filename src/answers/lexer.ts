/**
 * Tokens of an answer for the strict judge: LaTeX and plain text mixed, as models write them. Words are told from products of letters here.
 * What it leaves out: structure, which is the parser's.
 */
import { LIMITS, TooHard } from './limits.ts'
import { isUnit } from './units.ts'

export type Token = {
  t: 'num' | 'sym' | 'fn' | 'cmd' | 'op' | 'text' | 'end'
  s: string
  /** Whether a space came before. */
  space: boolean
}

const FUNCTIONS = new Set(
  (
    'sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan acot asec acsc sinh cosh tanh coth sech csch ' +
    'arsinh arcosh artanh arcsinh arccosh arctanh asinh acosh atanh ln log lg exp abs max min gcd lcm det sgn floor ceil'
  ).split(' '),
)
const GREEK = new Set(
  (
    'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau upsilon phi varphi ' +
    'chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar'
  ).split(' '),
)
const OPERATORS: Record<string, string> = {
  times: '*',
  cdot: '*',
  ast: '*',
  cdotp: '*',
  div: '÷',
  le: '<=',
  leq: '<=',
  leqslant: '<=',
  leqq: '<=',
  ge: '>=',
  geq: '>=',
  geqslant: '>=',
  geqq: '>=',
  lt: '<',
  gt: '>',
  ne: '!=',
  neq: '!=',
  approx: '≈',
  simeq: '≈',
  cong: '≈',
  sim: '~',
  nsim: '!~',
  equiv: '=',
  in: 'in',
  cup: 'cup',
  cap: 'cap',
  setminus: 'setminus',
  backslash: 'setminus',
  lbrace: '\\{',
  rbrace: '\\}',
  lvert: '|',
  rvert: '|',
  vert: '|',
  mid: '|',
  to: '->',
  rightarrow: '->',
  Rightarrow: '->',
  lbrack: '[',
  rbrack: ']',
  land: ',',
  lor: ',',
  wedge: ',',
  vee: ',',
}
const TEXT = new Set('text textbf textit textrm textsf texttt mathrm mathbf mathit mathsf mbox hbox operatorname rm bf mathop'.split(' '))
const WORD = /[A-Za-z\u00c0-\u024f\u3400-\u9fff]+/y
const NUMBER = /(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,4}(?![\da-zA-Z]))?|\.\d+/y
const PLAIN_NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d{1,4}(?![\da-zA-Z]))?|\.\d+/y

/**
 * @param text a normalized answer
 * @param thousands whether `1,000` is one number
 * @throws TooHard over the token or digit bound
 */
export function lex(text: string, thousands: boolean): Token[] {
  const tokens: Token[] = []
  let at = 0
  let space = false
  const push = (t: Token['t'], s: string) => {
    if (tokens.length >= LIMITS.tokens) throw new TooHard('too many tokens')
    tokens.push({ t, s, space })
    space = false
  }
  while (at < text.length) {
    const char = text[at]
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
      space = true
      at++
      continue
    }
    const number = thousands ? NUMBER : PLAIN_NUMBER
    number.lastIndex = at
    const digits = number.exec(text)
    if (digits) {
      if (digits[0].length > LIMITS.digits) throw new TooHard('too many digits')
      push('num', digits[0].replaceAll(',', ''))
      at += digits[0].length
      if (text[at] === '.' && text[at + 1] !== '.') at++ // "5." is 5
      continue
    }
    WORD.lastIndex = at
    const word = WORD.exec(text)
    if (word) {
      at += word[0].length
      plainWord(word[0], tokens, push)
      continue
    }
    if (char === '\\') {
      at = command(text, at + 1, push)
      continue
    }
    const two = text.slice(at, at + 2)
    if (two === '<=' || two === '>=' || two === '!=' || two === '**' || two === '->' || two === '==') {
      push('op', two === '**' ? '^' : two === '==' ? '=' : two)
      at += 2
      continue
    }
    push('op', char)
    at++
  }
  space = false
  tokens.push({ t: 'end', s: '', space })
  return tokens
}

/** A run of letters outside a command: a function, a constant, a unit, a word, or a product of letters. */
function plainWord(word: string, tokens: Token[], push: (t: Token['t'], s: string) => void): void {
  const lower = word.toLowerCase()
  const last = tokens[tokens.length - 1]
  if (last?.t === 'op' && last.s === '_') return push('text', word)
  if (lower === 'and' || lower === 'or' || word === '和' || word === '或') return push('op', ',')
  if (FUNCTIONS.has(lower) && word !== 'LCM') return push('fn', lower)
  if (lower === 'sqrt' || lower === 'cbrt') return push('cmd', lower)
  if (lower === 'pi') return push('sym', 'pi')
  if (lower === 'infinity' || lower === 'infty' || word === 'oo' || lower === 'inf') return push('cmd', 'infty')
  if (lower === 'percent' || lower === 'pct') return push('op', '%')
  if (lower === 'degrees' || lower === 'degree') return push('cmd', 'degree')
  if (GREEK.has(word)) return push('sym', word)
  if (isUnit(word) && last && (last.t === 'num' || last.s === ')' || last.s === '}' || last.t === 'text') && word.length > 1)
    return push('text', word)
  if (word.length >= 4 || /[^A-Za-z]/.test(word)) {
    const head = /^(?:sin|cos|tan|cot|log|ln|sqrt)(?=[a-z]$)/.exec(word)
    if (!head) return push('text', word)
    push('fn', head[0])
    return push('sym', word.slice(head[0].length))
  }
  for (const letter of word) push('sym', letter)
}

function command(text: string, at: number, push: (t: Token['t'], s: string) => void): number {
  WORD.lastIndex = at
  const match = /^[A-Za-zπ]+/.exec(text.slice(at, at + 40))
  if (!match) {
    const char = text[at] ?? ''
    if (char === '{' || char === '}') push('op', `\\${char}`)
    else if (char === '|') push('op', '|')
    else if (char === '\\') push('op', '\\\\')
    else if (char === '&' || char === '#' || char === '_') push('op', char)
    return at + 1
  }
  const name = match[0]
  const end = at + name.length
  if (TEXT.has(name)) {
    const group = /^\s*\{([^{}]*)\}/.exec(text.slice(end, end + 400))
    if (!group) return end
    const inner = group[1].trim()
    if (/^(?:and|or|,)$/i.test(inner)) push('op', ',')
    else if (/^[a-zA-Z]$/.test(inner)) push('sym', inner)
    else if (FUNCTIONS.has(inner.toLowerCase())) push('fn', inner.toLowerCase())
    else if (/^-?[\d.,]+$/.test(inner)) for (const token of lex(inner, true).slice(0, -1)) push(token.t, token.s)
    else if (/^(?:%|percent|pct)$/.test(inner)) push('op', '%')
    else if (/^(?:degrees?|°)$/.test(inner)) push('cmd', 'degree')
    else if (inner !== '') push('text', inner)
    return end + group[0].length
  }
  if (Object.hasOwn(OPERATORS, name)) push('op', OPERATORS[name])
  else if (FUNCTIONS.has(name)) push('fn', name)
  else if (name === 'pi' || name === 'π') push('sym', 'pi')
  else if (GREEK.has(name)) push('sym', name)
  else if (name === 'ldots' || name === 'cdots' || name === 'dots' || name === 'dotsc' || name === 'dotsm') push('text', '...')
  else if (name === 'infty' || name === 'Infinity' || name === 'infinity') push('cmd', 'infty')
  else push('cmd', name)
  return end
}
