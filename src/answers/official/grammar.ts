/**
 * The official judges' reading of LaTeX: SymPy's grammar as its users meet it, quirks included (`n(n-1)` calls n, `\sin x \cdot y` is the sine of a
 * product, what follows a complete expression is ignored), built into the same tree as the strict parser's. Where the original looks ahead without
 * bound, a loop here tries one element more and stands where that fails; failures are remembered by place, so that work stays linear.
 * What it leaves out: derivatives, bras and kets, `|_{x=1}`: they do not parse here.
 */
import { type Node, some } from '../ast.ts'
import { LIMITS, TooHard, Unparseable } from '../limits.ts'
import { command } from './commands.ts'
import { readName, readNumber } from './leaves.ts'
import { type Token, tokens } from './tokens.ts'
import { FUNCTIONS, NEVER, OTHER, RELATIONS, TIMES } from './vocabulary.ts'

/** What the original's lexer or a decision by one token refuses: no loop recovers from it. */
export class Refused extends Error {}

export class Grammar {
  at = 0
  private depth = 0
  private steps = 0
  /** Components that failed, by place and kind. */
  private readonly dead = new Set<string>()

  constructor(readonly list: Token[]) {}

  get token(): Token {
    return this.list[this.at]
  }

  is(s: string): boolean {
    return this.token.t === 'op' && this.token.s === s
  }

  isSymbol(s: string): boolean {
    return this.token.t === 'symbol' && this.token.s === s
  }

  take(s: string): boolean {
    if (!this.is(s)) return false
    this.at++
    return true
  }

  expect(s: string): void {
    if (!this.take(s)) throw new Unparseable(`expected ${s}`)
  }

  /** Runs `body`; where it cannot read on, stands where it began and gives undefined. */
  private attempt(body: () => Node): Node | undefined {
    const { at, depth } = this
    try {
      return body()
    } catch (error) {
      if (!(error instanceof Unparseable)) throw error
      this.at = at
      this.depth = depth
      return undefined
    }
  }

  /** @param not a token that must not follow */
  whole(not?: string): Node {
    const node = this.relation()
    if (this.token.t === 'error' || (not !== undefined && this.is(not)))
      throw new Unparseable(`cannot read ${this.token.s}`)
    return node
  }

  private relation(): Node {
    const a = [this.expr()]
    const ops: string[] = []
    for (;;) {
      const { t, s } = this.token
      const op =
        t === 'op' && (s === '=' || s === '<' || s === '>')
          ? s
          : t === 'symbol' && Object.hasOwn(RELATIONS, s)
            ? RELATIONS[s]
            : ''
      if (op === '') return ops.length > 0 ? { k: 'rel', ops, a } : a[0]
      if (ops.push(op) > 1 && ops.some(x => x !== '=')) throw new Refused('a chain of relations')
      a.push(this.after(() => this.expr()))
    }
  }

  private after(body: () => Node): Node {
    this.at++
    return body()
  }

  expr(): Node {
    if (++this.depth > LIMITS.depth) throw new TooHard('nested too deep')
    const a = [this.product(false)]
    while (this.is('+') || this.is('-')) {
      const minus = this.is('-')
      const x = this.attempt(() => this.after(() => this.product(false)))
      if (!x) break
      a.push(minus ? { k: 'neg', x } : x)
    }
    this.depth--
    return a.length === 1 ? a[0] : { k: 'add', a }
  }

  /** `mp`: explicit products and quotients, left to right. @param bare the argument of a function without brackets */
  product(bare: boolean): Node {
    let left = this.unary(bare)
    for (;;) {
      const times = this.is('*') || (this.token.t === 'symbol' && TIMES.has(this.token.s))
      if (!times && !this.is('/') && !this.is(':') && !this.isSymbol('div')) return left
      const x = this.attempt(() => this.after(() => this.unary(bare)))
      if (!x) return left
      left = times ? { k: 'mul', a: [left, x] } : { k: 'div', x: left, y: x }
    }
  }

  private unary(bare: boolean): Node {
    let minus = false
    let signs = 0
    while (this.is('+') || this.is('-')) {
      if (this.is('-')) minus = !minus
      this.at++
      if (++signs > LIMITS.depth) throw new TooHard('too many signs')
    }
    const factors = [this.postfix(false)]
    while (this.starts(bare)) {
      const x = this.attempt(() => this.postfix(bare))
      if (!x) break
      factors.push(x)
    }
    // an x between two numbers is a times sign
    const kept = factors.filter(
      (x, i) => !(i > 0 && i < factors.length - 1 && isX(x) && plain(factors[i - 1]) && plain(factors[i + 1])),
    )
    const x: Node = kept.length === 1 ? kept[0] : { k: 'mul', a: kept }
    return minus ? { k: 'neg', x } : x
  }

  starts(bare: boolean): boolean {
    const { t, s } = this.token
    if (t === 'error') throw new Refused(s)
    if (t === 'digit' || t === 'letter' || t === 'differential') return true
    if (t === 'op') return s === '(' || s === '[' || s === '{' || s === '\\{' || s === '|'
    if (t !== 'symbol' || NEVER.has(s) || TIMES.has(s) || Object.hasOwn(RELATIONS, s)) return false
    return !bare || !(FUNCTIONS.has(s) || /^(?:lim|int|sum|prod|sqrt|overline)$/.test(s))
  }

  private postfix(bare: boolean): Node {
    let node = this.powers(bare)
    while (this.take('!')) node = { k: 'fn', name: 'factorial', a: [node] }
    return node
  }

  private powers(bare: boolean): Node {
    let node = this.component(bare)
    while (this.is('^')) {
      const y = this.attempt(() => this.after(() => this.script()))
      if (!y) break
      node = { k: 'pow', x: node, y }
      if (this.is('_')) this.attempt(() => this.after(() => this.script()))
    }
    return node
  }

  /** An atom or a group in braces, after `^` or `_`. */
  script(): Node {
    return this.take('{') ? this.closed('}') : this.atom()
  }

  closed(close: string): Node {
    const x = this.expr()
    this.expect(close)
    return x
  }

  private component(bare: boolean): Node {
    const key = `${this.at}${bare ? 'b' : ''}`
    if (this.dead.has(key)) throw new Unparseable('read before')
    if (++this.steps > LIMITS.tokens * 8) throw new TooHard('too much to try')
    try {
      return this.readComponent(bare)
    } catch (error) {
      if (error instanceof Unparseable) this.dead.add(key)
      throw error
    }
  }

  private readComponent(bare: boolean): Node {
    if (this.take('(')) return this.closed(')')
    if (this.take('[')) return this.closed(']')
    if (this.take('{')) return this.closed('}')
    if (this.take('\\{')) return this.closed('\\}')
    if (this.take('|')) return { k: 'fn', name: 'abs', a: [this.closed('|')] }
    const { t, s } = this.token
    if (t === 'symbol' && (FUNCTIONS.has(s) || OTHER.has(s))) return this.named(s)
    const call = !bare && (t === 'letter' || t === 'symbol') ? this.attempt(() => this.call()) : undefined
    return call ?? this.atom()
  }

  /** A letter or symbol before a bracket is a function where what is in the bracket reads as arguments. */
  private call(): Node {
    const name = readName(this)
    this.expect('(')
    const a = [this.expr()]
    while (this.take(',')) a.push(this.expr())
    this.expect(')')
    return { k: 'call', name, a }
  }

  private atom(): Node {
    const { t, s } = this.token
    if (t === 'error') throw new Refused(s)
    if (t === 'digit') return readNumber(this)
    if (t === 'differential') {
      this.at++
      return { k: 'sym', name: s }
    }
    if (t === 'symbol' && (OTHER.has(s) || FUNCTIONS.has(s))) {
      if (/frac|binom|mathit/.test(s)) return this.named(s)
      throw new Unparseable(`unexpected \\${s}`)
    }
    if (t === 'symbol' && s === 'infty') {
      this.at++
      return { k: 'inf' }
    }
    if (t === 'letter' || (t === 'symbol' && !NEVER.has(s) && !TIMES.has(s) && !Object.hasOwn(RELATIONS, s)))
      return { k: 'sym', name: readName(this) }
    throw new Unparseable(`unexpected ${s || 'end'}`)
  }

  named(s: string): Node {
    this.at++
    if (++this.depth > LIMITS.depth) throw new TooHard('nested too deep')
    const node = command(this, s)
    this.depth--
    return node
  }
}

const isX = (node: Node) => node.k === 'sym' && node.name === 'x'

const plain = (node: Node) => !some(node, x => x.k === 'sym')

/** A name for a subtree: the same for the same tree. */
export function print(node: Node): string {
  return JSON.stringify(node, (_, x) => (typeof x === 'bigint' ? `${x}` : x))
}

/**
 * @param not a token that must not follow the expression
 * @throws Unparseable (or Refused), TooHard
 */
export function parseOfficial(text: string, not?: string): Node {
  if (text.length > LIMITS.answer) throw new TooHard('answer too long')
  return new Grammar(tokens(text.trim())).whole(not)
}
