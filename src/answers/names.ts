/** Names in the strict judge's language: symbols with subscripts, and which of them call what stands in the bracket behind them. */
import type { Node } from './ast.ts'
import type { Token } from './lexer.ts'
import type { Parser } from './parse.ts'

/** Letters that are functions where a bracket follows; other letters are factors. */
const CALLED = new Set(['f', 'g', 'F', 'G'])

/** A symbol with its subscripts and primes, or the call that it opens. */
export function readSymbol(p: Parser, token: Token): Node {
  let name = token.s
  while (p.is('_') || p.is("'")) name += p.take("'") ? "'" : `_${p.subscript()}`
  const calls = p.is('(') && !p.token.space
  if (!calls && !(p.is('[') && CALLED.has(name))) return { k: 'sym', name }
  const back = p.at
  p.at++
  const inner = p.group(p.tokens[back].s)
  if (inner.k === 'seq' || CALLED.has(name)) return { k: 'call', name, a: inner.k === 'seq' ? inner.a : [inner] }
  p.at = back
  return { k: 'sym', name }
}

/** A word right before a bracket is a function that we do not know, no unit. */
export function opensCall(p: Parser): boolean {
  const next = p.tokens[p.at + 1]
  return next.t === 'op' && next.s === '(' && !next.space && /^[a-z]+$/i.test(p.token.s)
}

export function wordCall(p: Parser): Node {
  const name = p.token.s
  p.at += 2
  const inner = p.group('(')
  return { k: 'call', name, a: inner.k === 'seq' ? inner.a : [inner] }
}
