/** Arguments of LaTeX commands and of functions: fractions, roots, matrices, sums, names. One function a kind, over the parser's cursor. */
import { int, type Node } from './ast.ts'
import { LIMITS, TooHard, Unparseable } from './limits.ts'
import { numeral } from './numerals.ts'
import type { Parser } from './parse.ts'

const INVERSE = /^(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh)$/
const NAMED = new Set(
  'overline bar vec hat widehat tilde overrightarrow overleftrightarrow mathbb mathcal mathscr boldsymbol dot ddot underline overarc wideparen'.split(
    ' ',
  ),
)
const IGNORED = new Set('angle triangle measuredangle therefore because odot square circ'.split(' '))

/** The argument of `\frac` and its like: a group, or one token (`\frac12` has two of one digit each). */
function argument(p: Parser, digit: boolean): Node {
  const token = p.token
  if (p.take('{')) return p.group('{')
  p.at++
  if (token.t === 'num') {
    if (digit && token.s.length > 1) {
      p.at--
      p.tokens[p.at] = { ...token, s: token.s.slice(1), space: false }
      return numeral(token.s[0] === '.' ? '0' : token.s[0])
    }
    return numeral(token.s)
  }
  if (token.t === 'sym') return { k: 'sym', name: token.s }
  if (token.t === 'cmd') return p.nested(() => command(p, token.s))
  if (token.t === 'op' && (token.s === '(' || token.s === '[')) return p.group(token.s)
  throw new Unparseable(`expected an argument, came ${token.s || 'the end'}`)
}

/** What stands after `^`: degrees, primes or an exponent; `sin^{-1}` is functionCall's. */
export function power(p: Parser, base: Node): Node {
  const exponent = exponentOf(p)
  if (exponent === 'degree') return { k: 'mul', a: [base, { k: 'sym', name: 'deg', unit: true }] }
  if (exponent === 'prime') return base.k === 'sym' ? { k: 'sym', name: `${base.name}'` } : base
  return (base.k === 'sym' && chosen(base.name, exponent)) || { k: 'pow', x: base, y: exponent }
}

/** `C_{10}^{3}` is a number of choices, `A_{10}^{3}` one of arrangements, as Chinese books write them; null where it is but a power. */
export function chosen(name: string, k: Node): Node | null {
  const match = /^([CA])_(\d{1,4})$/.exec(name)
  if (!match || k.k !== 'num' || k.d !== 1n || k.v < 0 || k.v > Number(match[2])) return null
  const n = int(Number(match[2]))
  if (match[1] === 'C') return { k: 'fn', name: 'binom', a: [n, k] }
  return { k: 'div', x: factorial(n), y: factorial(int(n.k === 'num' ? n.v - k.v : 0)) }
}

const factorial = (n: Node): Node => ({ k: 'fn', name: 'factorial', a: [n] })

function exponentOf(p: Parser): Node | 'degree' | 'prime' {
  if (p.take('circ') || p.take('degree')) return 'degree'
  if (p.take('prime')) return 'prime'
  if (p.is('{')) {
    const inside = p.tokens[p.at + 1]
    if (
      p.tokens[p.at + 2]?.s === '}' &&
      inside.t === 'cmd' &&
      (inside.s === 'circ' || inside.s === 'prime' || inside.s === 'degree')
    ) {
      p.at += 3
      return inside.s === 'prime' ? 'prime' : 'degree'
    }
  }
  if (p.take('-')) {
    const x = exponentOf(p)
    if (typeof x === 'string') throw new Unparseable('not an exponent')
    return { k: 'neg', x }
  }
  if (p.take('+')) return exponentOf(p)
  if (p.token.t === 'fn') {
    const name = p.token.s
    p.at++
    return p.nested(() => functionCall(p, name))
  }
  const node = argument(p, false)
  // a^b^c in plain text is a^(b^c)
  return p.take('^') ? p.nested(() => power(p, node)) : node
}

/** `sin`, `log` and their like, with powers, bases and arguments in or without brackets. */
export function functionCall(p: Parser, name: string): Node {
  let fn = name
  let base: Node | undefined
  let exponent: Node | undefined
  for (;;) {
    if (p.is('_')) {
      p.at++
      base = baseOf(p)
    } else if (p.is('^')) {
      p.at++
      const e = exponentOf(p)
      if (typeof e === 'string') throw new Unparseable('not an exponent')
      exponent = e
    } else break
  }
  if (exponent && INVERSE.test(fn) && exponent.k === 'neg' && exponent.x.k === 'num' && exponent.x.v === 1) {
    fn = `arc${fn}`
    exponent = undefined
  }
  let args: Node[]
  if (p.take('(')) {
    const inner = p.group('(')
    args = inner.k === 'seq' ? inner.a : [inner]
  } else if (p.is('-')) {
    p.at++
    args = [{ k: 'neg', x: p.product(true) }]
  } else args = [p.product(true)]
  if (args.length === 0) throw new Unparseable('a function without an argument')
  const call: Node = { k: 'fn', name: fn, a: base ? [...args, base] : args }
  return exponent ? { k: 'pow', x: call, y: exponent } : call
}

/** The base behind `\\log_`: of letters without braces the first, `\\log_ax`. */
function baseOf(p: Parser): Node {
  const { token } = p
  if (token.t !== 'text' || !/^[A-Za-z]{1,2}$/.test(token.s)) return argument(p, true)
  if (token.s.length === 1) p.at++
  else p.tokens[p.at] = { t: 'sym', s: token.s[1], space: false }
  return { k: 'sym', name: token.s[0] }
}

/** A name's subscript as plain text, braces and fonts left out. */
export function subscriptName(p: Parser): string {
  if (!p.take('{')) {
    const { s } = p.token
    if (p.token.t === 'end') throw new Unparseable('expected a subscript')
    p.at++
    return s
  }
  let depth = 1
  let name = ''
  for (;;) {
    const { t, s } = p.token
    if (t === 'end') throw new Unparseable('expected }')
    p.at++
    if (s === '{') depth++
    else if (s === '}' && --depth === 0) return name
    else name += s
  }
}

/** Everything else that begins with a backslash. */
export function command(p: Parser, name: string): Node {
  switch (name) {
    case 'frac':
      return { k: 'div', x: argument(p, true), y: argument(p, true) }
    case 'binom':
    case 'dbinom':
    case 'tbinom':
      return { k: 'fn', name: 'binom', a: [argument(p, true), argument(p, true)] }
    case 'sqrt': {
      let index: Node | undefined
      if (p.take('[')) index = p.group('[')
      const x = argument(p, false)
      return index ? { k: 'fn', name: 'root', a: [x, index] } : { k: 'fn', name: 'sqrt', a: [x] }
    }
    case 'cbrt':
      return { k: 'fn', name: 'root', a: [argument(p, false), int(3)] }
    case 'infty':
      return { k: 'inf' }
    case 'emptyset':
    case 'varnothing':
      return { k: 'seq', open: '{', close: '}', a: [] }
    case 'lfloor':
    case 'lceil':
    case 'langle': {
      const inner = p.list()
      p.expect(`r${name.slice(1)}`)
      if (name === 'langle') return { k: 'seq', open: '(', close: ')', a: inner.k === 'seq' ? inner.a : [inner] }
      return { k: 'fn', name: name === 'lfloor' ? 'floor' : 'ceil', a: [inner] }
    }
    case 'boxed':
    case 'fbox':
      return argument(p, false)
    case 'begin':
      return environment(p)
    case 'sum':
    case 'prod':
    case 'int':
    case 'lim':
      return bigOperator(p, name)
  }
  if (NAMED.has(name)) {
    const token = p.token
    if (!p.is('{')) p.at++
    const inner = token.s === '{' ? subscriptName(p) : token.s
    // the real line is an interval, a segment is its letters
    if (name === 'mathbb' && inner === 'R')
      return { k: 'seq', open: '(', close: ')', a: [{ k: 'neg', x: { k: 'inf' } }, { k: 'inf' }] }
    if (name === 'overline' && /^[A-Z]{2,3}$/.test(inner))
      return { k: 'mul', a: [...inner].map(x => ({ k: 'sym', name: x })) }
    return { k: 'sym', name: `${name}:${inner}` }
  }
  if (IGNORED.has(name)) return p.postfix()
  if (/^(?:end|right|item|hline|label|ref|over|def|let|input|include|write|csname|expandafter)/.test(name))
    throw new Unparseable(`\\${name}`)
  return { k: 'sym', name: `\\${name}` }
}

function environment(p: Parser): Node {
  p.expect('{')
  let name = ''
  while (!p.is('}')) {
    if (p.token.t === 'end') throw new Unparseable('expected }')
    name += p.token.s
    p.at++
  }
  p.at++
  if (!/matrix|array|aligned|cases/.test(name)) throw new Unparseable(`\\begin{${name}}`)
  if (name.startsWith('array') && p.is('{')) {
    p.at++
    while (!p.take('}')) if (p.tokens[p.at++].t === 'end') throw new Unparseable('expected }')
  }
  const rows: Node[][] = [[]]
  let cells = 0
  while (!p.is('end')) {
    if (p.token.t === 'end') throw new Unparseable(`expected \\end{${name}}`)
    if (p.take('\\\\')) rows.push([])
    else if (!p.take('&') && !p.take('hline')) {
      if (++cells > LIMITS.items * 2) throw new TooHard('too many cells')
      rows[rows.length - 1].push(p.list())
    }
  }
  p.at++
  subscriptName(p)
  if (rows[rows.length - 1].length === 0) rows.pop()
  return { k: 'matrix', rows }
}

/** Sums, products, integrals and limits: a call of body, bound variable, lower and upper bound. */
function bigOperator(p: Parser, name: string): Node {
  let low: Node | undefined
  let high: Node | undefined
  while (p.is('_') || p.is('^')) {
    const sub = p.is('_')
    p.at++
    if (sub) low = argument(p, true)
    else high = argument(p, true)
  }
  const body = p.product(false)
  let bound: Node = { k: 'sym', name: '' }
  if (low?.k === 'rel' && low.a.length === 2) {
    bound = low.a[0]
    low = low.a[1]
  }
  return { k: 'call', name, a: [body, bound, low ?? int(0), high ?? int(0)] }
}
