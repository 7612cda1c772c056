/** The commands that the official judges' LaTeX gives a meaning; every other one is a symbol. */

export const TIMES = new Set(['times', 'cdot'])
export const RELATIONS: Record<string, string> = {
  leq: '<=',
  le: '<=',
  leqq: '<=',
  leqslant: '<=',
  geq: '>=',
  ge: '>=',
  geqq: '>=',
  geqslant: '>=',
  neq: '!=',
}
export const FUNCTIONS = new Set(
  'exp log lg ln sin cos tan csc sec cot arcsin arccos arctan arccsc arcsec arccot sinh cosh tanh arsinh arcosh artanh'.split(
    ' ',
  ),
)
export const OTHER = new Set(
  'lim int sum prod sqrt overline frac dfrac tfrac binom dbinom tbinom mathit lfloor lceil langle'.split(' '),
)
export const NEVER = new Set(
  'rfloor rceil rangle to rightarrow Rightarrow longrightarrow Longrightarrow div'.split(' '),
)
