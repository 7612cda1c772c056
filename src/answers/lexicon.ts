/** The words of the strict judge's language: functions, Greek letters, operators by command, and what a run of plain letters stands for. */
import type { Token } from './lexer.ts'
import { isUnit, isUnitLetter } from './units.ts'

export const FUNCTIONS = new Set(
  (
    'sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan acot asec acsc sinh cosh tanh coth sech csch ' +
    'arsinh arcosh artanh arcsinh arccosh arctanh asinh acosh atanh ln log lg exp abs max min gcd lcm det sgn floor ceil'
  ).split(' '),
)
export const GREEK = new Set(
  (
    'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau upsilon phi varphi ' +
    'chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar'
  ).split(' '),
)
export const OPERATORS: Record<string, string> = {
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
  pm: '±',
  mp: '∓',
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
/** Commands that set their argument as text or as a name. */
export const TEXT = new Set(
  'text textbf textit textrm textsf texttt mathrm mathbf mathit mathsf mbox hbox operatorname rm bf mathop'.split(' '),
)

type Piece = readonly [t: Token['t'], s: string]

/** Whole words with one meaning, in lower case. */
const MEANINGS: Record<string, Piece> = {
  and: ['op', ','],
  or: ['op', ','],
  和: ['op', ','],
  或: ['op', ','],
  sqrt: ['cmd', 'sqrt'],
  cbrt: ['cmd', 'cbrt'],
  pi: ['sym', 'pi'],
  infinity: ['cmd', 'infty'],
  infty: ['cmd', 'infty'],
  inf: ['cmd', 'infty'],
  percent: ['op', '%'],
  pct: ['op', '%'],
  degree: ['cmd', 'degree'],
  degrees: ['cmd', 'degree'],
}

/**
 * A run of letters outside a command: a function, a constant, a unit, a word, or a product of letters.
 * @param before the tokens before it
 */
export function wordPieces(word: string, before: readonly Token[]): Piece[] {
  const last = before[before.length - 1]
  const lower = word.toLowerCase()
  if (last?.t === 'op' && last.s === '_') return [['text', word]]
  if (Object.hasOwn(MEANINGS, lower)) return [MEANINGS[lower]]
  if (word === 'oo') return [['cmd', 'infty']]
  if (FUNCTIONS.has(lower)) return [['fn', lower]]
  if (GREEK.has(word)) return [['sym', word]]
  const measured = last !== undefined && (last.t === 'num' || last.t === 'text' || last.s === ')' || last.s === '}')
  if (measured && word.length > 1 && isUnit(word)) return [['text', word]]
  // the h of km/h
  if (last?.t === 'op' && last.s === '/' && before[before.length - 2]?.t === 'text' && isUnitLetter(word))
    return [['text', word]]
  const head = /^(sin|cos|tan|cot|log|ln)([a-z])$/.exec(word)
  if (head)
    return [
      ['fn', head[1]],
      ['sym', head[2]],
    ]
  if (word.length >= 4 || /[^A-Za-z]/.test(word)) return [['text', word]]
  return [...word].map(letter => ['sym', letter] as const)
}
