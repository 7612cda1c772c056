/**
 * The strict judge's reading of an answer: recursive descent over LaTeX and plain text mixed, bounded in tokens and depth.
 * What it leaves out: meaning (equal.ts) and the official graders' own grammar (official/grammar.ts builds the same tree its own way).
 */
import { int, type Node } from './ast.ts'
import { chosen, command, functionCall, power, subscriptName } from './commands.ts'
import { bare, lastPower, mixedNumber, signed } from './joints.ts'
import type { Token } from './lexer.ts'
import { LIMITS, TooHard, Unparseable } from './limits.ts'
import { opensCall, readSymbol, wordCall } from './names.ts'
import { baseNumber, numeral, unitProduct } from './numerals.ts'

const RELATIONS = new Set(['=', '<', '>', '<=', '>=', '!=', '≈', '~', '!~', 'in', '->'])
const CLOSERS: Record<string, string> = { '(': ')]', '[': '])', '{': '}', '\\{': '\\}' }

/** A cursor over tokens with the grammar's levels as methods; commands.ts reads arguments through it. */
export class Parser {
  at = 0
  private depth = 0
  private bars = 0

  constructor(readonly tokens: Token[]) {}

  /** @throws Unparseable past the end, where a command has taken the end for its argument */
  get token(): Token {
    const token = this.tokens[this.at]
    if (!token) throw new Unparseable('came to the end')
    return token
  }

  is(s: string): boolean {
    const { t } = this.token
    return (t === 'op' || t === 'cmd') && this.token.s === s
  }

  take(s: string): boolean {
    if (!this.is(s)) return false
    this.at++
    return true
  }

  expect(s: string): void {
    if (!this.take(s)) throw new Unparseable(`expected ${s}, came ${this.token.s || 'the end'}`)
  }

  /** Runs one level deeper. */
  nested<T>(body: () => T): T {
    if (++this.depth > LIMITS.depth) throw new TooHard('nested too deep')
    const out = body()
    this.depth--
    return out
  }

  /** Items between commas; where semicolons stand too, groups of items. */
  list(): Node {
    const groups: Node[][] = [[]]
    let count = 0
    for (;;) {
      if (this.closes() && count > 0) break
      groups[groups.length - 1].push(this.relation())
      if (++count > LIMITS.items) throw new TooHard('too many items')
      if (this.is(';')) groups.push([])
      else if (!this.is(',')) break
      while (this.is(',') || this.is(';')) this.at++
    }
    const items = groups.filter(group => group.length > 0).map(bare)
    return groups.some(group => group.length > 1) && groups.length > 1
      ? { k: 'seq', open: '', close: '', a: items }
      : bare(items)
  }

  private closes(): boolean {
    const { t, s } = this.token
    return t === 'end' || (t === 'op' && (s === ')' || s === ']' || s === '}' || s === '\\}'))
  }

  relation(): Node {
    const ops: string[] = []
    const a: Node[] = [this.ratio()]
    while (this.token.t === 'op' && RELATIONS.has(this.token.s)) {
      ops.push(this.token.s)
      this.at++
      while (this.is('=')) this.at++
      a.push(this.ratio())
    }
    return ops.length ? { k: 'rel', ops, a } : a[0]
  }

  private ratio(): Node {
    const parts = [this.sets()]
    while (this.take(':')) parts.push(this.sets())
    if (parts.length === 1) return parts[0]
    return parts.length === 2 ? { k: 'div', x: parts[0], y: parts[1] } : { k: 'call', name: ':', a: parts }
  }

  private sets(): Node {
    let left = this.additive()
    for (;;) {
      const name = this.is('cup') ? 'cup' : this.is('cap') ? 'cap' : this.is('setminus') ? 'setminus' : ''
      if (!name) return left
      this.at++
      const right = this.additive()
      left =
        left.k === 'call' && left.name === name && name !== 'setminus'
          ? { ...left, a: [...left.a, right] }
          : { k: 'call', name, a: [left, right] }
    }
  }

  additive(): Node {
    return this.nested(() => {
      const a = [this.term()]
      while (this.is('+') || this.is('-') || this.is('±') || this.is('∓')) {
        const sign = this.token.s
        this.at++
        a.push(signed(sign, this.term()))
      }
      return a.length === 1 ? a[0] : { k: 'add', a }
    })
  }

  private term(): Node {
    let left = this.unary()
    for (;;) {
      if (this.take('*')) left = { k: 'mul', a: [left, this.unary()] }
      else if (this.take('/') || this.take('÷')) left = { k: 'div', x: left, y: this.unary() }
      else return left
    }
  }

  private unary(): Node {
    const sign = this.token.s
    if (!this.is('-') && !this.is('+') && !this.is('±') && !this.is('∓')) return this.product(false)
    this.at++
    return signed(
      sign,
      this.nested(() => this.unary()),
    )
  }

  /** Factors side by side. @param bare inside a function without brackets: ends before the next function */
  product(bare: boolean): Node {
    const a: Node[] = []
    while (this.startsFactor() && !(bare && a.length > 0 && this.token.t === 'fn')) {
      if (this.token.t === 'text' && opensCall(this)) {
        a.push(wordCall(this))
        continue
      }
      if (this.token.t === 'text') {
        if (bare && a.length > 0) break
        const unit = unitProduct(this.texts(), a.length === 0)
        a.push(this.take('^') ? lastPower(this, unit) : unit)
        continue
      }
      const before = this.token
      const factor = this.postfix()
      const last = a[a.length - 1]
      const mixed = last && mixedNumber(last, factor, before, this)
      if (mixed) a[a.length - 1] = mixed
      else if (last?.k === 'num' && before.t === 'num') throw new Unparseable('two numbers side by side')
      else a.push(factor)
    }
    if (a.length === 0) throw new Unparseable(`expected a term, came ${this.token.s || 'the end'}`)
    return a.length === 1 ? a[0] : { k: 'mul', a }
  }

  /** Text tokens side by side as one phrase. */
  private texts(): string {
    let phrase = ''
    while (this.token.t === 'text') {
      phrase += ` ${this.token.s}`
      this.at++
    }
    return phrase.trim()
  }

  private startsFactor(): boolean {
    const { t, s } = this.token
    if (t === 'num' || t === 'sym' || t === 'fn' || t === 'text') return true
    if (t === 'op') return s === '(' || s === '[' || s === '{' || s === '\\{' || (s === '|' && this.bars === 0)
    return t === 'cmd' && s !== 'rfloor' && s !== 'rceil' && s !== 'rangle' && s !== 'end'
  }

  /** An atom with its powers, factorials, percents and degrees. */
  postfix(): Node {
    let node = this.atom()
    for (;;) {
      if (this.take('^')) node = power(this, node)
      else if (this.is('_') && node.k === 'pow' && node.x.k === 'sym') {
        const name = `${node.x.name}_${this.subscript()}`
        node = chosen(name, node.y) ?? { ...node, x: { k: 'sym', name } }
      } else if (this.take('!')) node = { k: 'fn', name: 'factorial', a: [node] }
      else if (this.take('%')) node = { k: 'mul', a: [node, { k: 'sym', name: '%', unit: true }] }
      else if (this.take('degree')) node = { k: 'mul', a: [node, { k: 'sym', name: 'deg', unit: true }] }
      else return node
    }
  }

  private atom(): Node {
    const token = this.token
    this.at++
    if (token.t === 'num') return this.is('_') ? baseNumber(token.s, this.subscript()) : numeral(token.s)
    if (token.t === 'sym') return readSymbol(this, token)
    if (token.t === 'fn') return this.nested(() => functionCall(this, token.s))
    if (token.t === 'cmd') return this.nested(() => command(this, token.s))
    if (token.t === 'text') return unitProduct(token.s, true)
    if (token.t === 'op' && token.s === '|') {
      this.bars++
      const x = this.nested(() => this.additive())
      this.bars--
      this.expect('|')
      return { k: 'fn', name: 'abs', a: [x] }
    }
    if (token.t === 'op' && Object.hasOwn(CLOSERS, token.s)) return this.group(token.s)
    throw new Unparseable(`unexpected ${token.s || 'end'}`)
  }

  subscript(): string {
    this.expect('_')
    return subscriptName(this)
  }

  /** What follows an opening bracket: a group, a tuple, an interval, a set. */
  group(open: string): Node {
    return this.nested(() => {
      const bars = this.bars
      this.bars = 0
      const empty = this.closes() && this.token.t === 'op'
      const inner: Node = empty ? { k: 'seq', open: '', close: '', a: [] } : this.list()
      this.bars = bars
      const close = this.token.s
      const allowed = CLOSERS[open]
      if (this.token.t !== 'op' || !(open === '\\{' ? close === '\\}' || close === '}' : allowed.includes(close)))
        throw new Unparseable(`expected a bracket closing ${open}, came ${close || 'the end'}`)
      this.at++
      const braces = open === '{' || open === '\\{'
      if (inner.k === 'seq' && inner.open === '') {
        if (empty && open === '{') return int(1)
        return { k: 'seq', open: braces ? '{' : open, close: braces ? '}' : close, a: inner.a }
      }
      if (open === '\\{') return { k: 'seq', open: '{', close: '}', a: [inner] }
      if (!braces && !((open === '(' && close === ')') || (open === '[' && close === ']')))
        throw new Unparseable('brackets do not match')
      return inner
    })
  }
}
