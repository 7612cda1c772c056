/** Commands and functions of the official judges' LaTeX: what `grammar.ts` reads after a name it knows. */
import { int, type Node } from '../ast.ts'
import { Unparseable } from '../limits.ts'
import { numeral } from '../numerals.ts'
import type { Grammar } from './grammar.ts'
import { FUNCTIONS } from './vocabulary.ts'

const POWERED = new Set('sin cos tan csc sec cot sinh cosh tanh'.split(' '))

function argument(g: Grammar): Node {
  if (g.token.t === 'digit') return int(Number(g.list[g.at++].s))
  g.expect('{')
  return g.closed('}')
}

/** @throws Unparseable */
export function command(g: Grammar, s: string): Node {
  if (FUNCTIONS.has(s)) return func(g, s)
  switch (s) {
    case 'frac':
    case 'dfrac':
    case 'tfrac':
      return { k: 'div', x: argument(g), y: argument(g) }
    case 'binom':
    case 'dbinom':
    case 'tbinom':
      return { k: 'fn', name: 'binom', a: [braced(g), braced(g)] }
    case 'sqrt': {
      const index = g.take('[') ? g.closed(']') : int(2)
      return { k: 'pow', x: braced(g), y: { k: 'div', x: int(1), y: index } }
    }
    case 'overline':
      return { k: 'fn', name: 'conj', a: [braced(g)] }
    case 'lfloor':
    case 'lceil': {
      const x = g.expr()
      if (!g.isSymbol(`r${s.slice(1)}`)) throw new Unparseable(`expected \\r${s.slice(1)}`)
      g.at++
      return { k: 'fn', name: s === 'lfloor' ? 'floor' : 'ceil', a: [x] }
    }
    case 'mathit': {
      g.expect('{')
      let name = ''
      while (g.token.t === 'letter') name += g.list[g.at++].s
      g.expect('}')
      return { k: 'sym', name }
    }
    case 'sum':
    case 'prod':
      return big(g, s)
    case 'int': {
      const low = g.take('_') ? g.script() : int(0)
      const high = g.take('^') ? g.script() : int(0)
      return { k: 'call', name: 'int', a: [g.expr(), low, high] }
    }
  }
  throw new Unparseable(`\\${s}`)
}

function braced(g: Grammar): Node {
  g.expect('{')
  return g.closed('}')
}

function func(g: Grammar, name: string): Node {
  let base: Node | undefined
  let power: Node | undefined
  for (let i = 0; i < 2; i++) {
    if (!base && g.take('_')) base = baseOf(g)
    else if (!power && g.take('^')) power = g.script()
  }
  let x: Node
  const start = g.at
  if (g.take('(')) {
    x = closedOrList(g)
  } else {
    g.at = start
    x = g.product(true)
  }
  let fn = name
  if (POWERED.has(name) && power?.k === 'neg' && power.x.k === 'num' && power.x.v === 1) {
    fn = `a${name}`
    power = undefined
  }
  const a = name === 'lg' && !base ? [x, int(10)] : /^(?:log|ln|lg)$/.test(name) && base ? [x, base] : [x]
  const node: Node = { k: 'fn', name: /^(?:log|ln|lg)$/.test(name) ? 'ln' : fn, a }
  return power ? { k: 'pow', x: node, y: power } : node
}

/** A base written without braces leaves its last digit where no other argument follows: `\log_28` is the logarithm of 8. */
function baseOf(g: Grammar): Node {
  const braced = g.is('{')
  const start = g.at
  const base = g.script()
  const next = g.token
  if (
    braced ||
    base.k !== 'num' ||
    g.at - start < 2 ||
    g.starts(false) ||
    next.s === '^' ||
    next.s === '-' ||
    next.s === '+'
  )
    return base
  g.at--
  return numeral(
    g.list
      .slice(start, g.at)
      .map(token => token.s)
      .join(''),
  )
}

/** Of several arguments the first counts. */
function closedOrList(g: Grammar): Node {
  const x = g.expr()
  while (g.take(',')) g.expr()
  g.expect(')')
  return x
}

function big(g: Grammar, name: string): Node {
  let bound: Node | undefined
  let low: Node | undefined
  let high: Node | undefined
  for (let i = 0; i < 2; i++) {
    if (g.take('_')) {
      g.expect('{')
      bound = g.expr()
      g.expect('=')
      low = g.closed('}')
    } else if (g.take('^')) high = g.script()
  }
  if (!bound || !low || !high) throw new Unparseable(`\\${name} without bounds`)
  return { k: 'call', name, a: [g.product(false), bound, low, high] }
}
