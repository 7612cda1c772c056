/**
 * Equations and inequalities under the strict judge: equations by their solutions, inequalities up to a positive factor, chains as sets of pairs.
 * What it leaves out: non-linear inequalities that are equal for other reasons than a factor.
 */
import { children, type Node, some, symbols } from './ast.ts'
import { abs, add, type C, div, finite, mul, sub } from './complex.ts'
import { evaluate, hash, type Point } from './evaluate.ts'
import { agree, pointAt, ratio, vanishes } from './sample.ts'
import { type Rules, scalarEqual } from './scalar.ts'

type Rel = Extract<Node, { k: 'rel' }>
type Pair = { op: string; left: Node; right: Node; gap: Node }

const FLIP: Record<string, string> = { '>': '<', '>=': '<=' }

function pairs(node: Rel): Pair[] {
  return node.ops.map((op, i) => {
    const flip = Object.hasOwn(FLIP, op)
    const [left, right] = flip ? [node.a[i + 1], node.a[i]] : [node.a[i], node.a[i + 1]]
    return { op: flip ? FLIP[op] : op, left, right, gap: { k: 'add', a: [left, { k: 'neg', x: right }] } }
  })
}

/** Whether two relations say the same. */
export function relationEqual(gold: Rel, pred: Rel, rules: Rules): boolean {
  if (symbols(gold).size === 0 && symbols(pred).size === 0) return sameSides(gold, pred, rules)
  if (
    gold.a.length === pred.a.length &&
    gold.ops.every((op, i) => op === pred.ops[i]) &&
    gold.a.every((x, i) => sideEqual(x, pred.a[i], rules))
  )
    return true
  const left = pairs(gold)
  const rest = pairs(pred)
  if (left.length !== rest.length) return false
  for (const pair of left) {
    const found = rest.findIndex(other => pairEqual(pair, other, rules))
    if (found < 0) return false
    rest.splice(found, 1)
  }
  return true
}

function sideEqual(a: Node, b: Node, rules: Rules): boolean {
  if (a.k === 'seq' && b.k === 'seq')
    return a.a.length === b.a.length && a.open === b.open && a.a.every((x, i) => sideEqual(x, b.a[i], rules))
  return scalarEqual(a, b, rules)
}

/** `2 + 2 = 4` and `4 = 4` say the same: the same values on their sides. */
function sameSides(gold: Rel, pred: Rel, rules: Rules): boolean {
  if (!gold.ops.every(op => op === '=') || !pred.ops.every(op => op === '='))
    return gold.ops.join() === pred.ops.join() && gold.a.every((x, i) => scalarEqual(x, pred.a[i], rules))
  const covers = (a: Node[], b: Node[]) => a.every(x => b.some(y => scalarEqual(x, y, rules)))
  return covers(gold.a, pred.a) && covers(pred.a, gold.a)
}

function pairEqual(a: Pair, b: Pair, rules: Rules): boolean {
  if (a.op !== b.op) return false
  const { budget } = rules
  const zeroA = vanishes(a.gap, a.left, budget)
  const zeroB = vanishes(b.gap, b.left, budget)
  if (zeroA || zeroB)
    return (
      zeroA &&
      zeroB &&
      [...symbols(a.gap)].sort().join() === [...symbols(b.gap)].sort().join() &&
      symbols(a.gap).size > 0
    )
  if (constant(a.gap, rules) || constant(b.gap, rules))
    return scalarEqual(a.left, b.left, rules) && scalarEqual(a.right, b.right, rules)
  const r = ratio(a.gap, b.gap, budget)
  if (a.op === '<' || a.op === '<=') return r !== null && r > 0
  if (a.op === 'in' || a.op === '->') return scalarEqual(a.left, b.left, rules) && scalarEqual(a.right, b.right, rules)
  if (r !== null && r !== 0) return true
  return (a.op === '=' || a.op === '!=') && sameRoots(a.gap, b.gap, rules)
}

function constant(gap: Node, rules: Rules): boolean {
  return agree(gap, { k: 'num', v: 0, n: 0n, d: 1n, decimals: 0 }, rules.budget) || isConstant(gap, rules)
}

function isConstant(gap: Node, rules: Rules): boolean {
  const first = evaluate(gap, pointAt(0, rules.budget))
  if (!finite(first)) return false
  for (let i = 2; i < 8; i += 2) {
    const x = evaluate(gap, pointAt(i, rules.budget))
    if (finite(x) && abs(sub(x, first)) > 1e-9 * Math.max(abs(first), 1e-6)) return false
  }
  return true
}

const WAVY = /^(?:a?r?c?(?:sin|cos|tan|cot|sec|csc)h?|exp|ln|log|lg|abs|floor|ceil)$/

/**
 * Whether, in some variable, the roots of one difference are roots of the other and the other way round, the rest of the variables held at random.
 * Newton's method from several starts; far starts only for algebraic differences, which have few roots.
 */
function sameRoots(a: Node, b: Node, rules: Rules): boolean {
  const names = symbols(a)
  const shared = [...symbols(b)].filter(name => names.has(name))
  if (shared.length === 0 || shared.length > 6) return false
  const wavy = [a, b].some(side => some(side, node => node.k === 'fn' && WAVY.test(node.name)))
  return shared.some(name => {
    const forth = rootsWithin(a, b, name, wavy, rules)
    return forth && rootsWithin(b, a, name, wavy, rules)
  })
}

function rootsWithin(a: Node, b: Node, name: string, wavy: boolean, rules: Rules): boolean {
  let found = 0
  const solved = cleared(a)
  for (let trial = 0; trial < 16; trial++) {
    const u = hash(`${name} start`, trial) / 2 ** 32
    const v = hash(`${name} side`, trial) / 2 ** 32
    const far = !wavy && trial % 2 === 1
    const start: C = far ? [24 * u - 12, 8 * v - 4] : [0.2 + 0.9 * u, wavy ? 0 : 0.3 * v]
    const at = (x: C): Point => {
      const base = pointAt(100 + 2 * trial, rules.budget)
      return { ...base, value: (s, unit) => (s === name && !unit ? x : scaled(base.value(s, unit), unit)) }
    }
    const root = newton(solved, at, start)
    if (!root) continue
    // a pole that clearing made a root
    const left = evaluate(a, at(root))
    if (!finite(left) || abs(left) > 1e-3) continue
    const value = evaluate(b, at(root))
    if (!finite(value)) continue
    const slope = evaluate(b, at(add(root, [1e-4, 0])))
    if (abs(value) > 1e-6 * Math.max(abs(slope), 1e-4)) {
      // a multiple root is found to half the digits only
      const near = newton(b, at, root)
      if (!near || abs(sub(near, root)) > 1e-3 * Math.max(1, abs(root))) return false
    }
    found++
  }
  return found >= 4
}

/** The tree times its denominators: Newton's method finds the roots of polynomials from far, those of their quotients only from near. */
function cleared(a: Node): Node {
  const below: Node[] = []
  const visit = (node: Node): void => {
    if (node.k === 'div' && symbols(node.y).size > 0 && below.length < 6) below.push(node.y)
    for (const child of children(node)) visit(child)
  }
  visit(a)
  return below.length === 0 ? a : { k: 'mul', a: [a, ...below] }
}

/** Other variables stay small, where inverse functions have one branch. */
function scaled(x: C, unit: boolean): C {
  return unit ? x : [x[0] * 0.35, 0]
}

function newton(a: Node, at: (x: C) => Point, start: C): C | null {
  let x = start
  for (let i = 0; i < 40; i++) {
    const y = evaluate(a, at(x))
    if (!finite(y)) return null
    const h = 1e-6 * Math.max(1, abs(x))
    const slope = div(sub(evaluate(a, at(add(x, [h, 0]))), y), [h, 0])
    if (abs(slope) === 0) return abs(y) < 1e-12 ? x : null
    const step = div(y, slope)
    if (!finite(step) || abs(step) > 1e6) return null
    x = sub(x, mul([1, 0], step))
    if (abs(step) < 1e-11 * Math.max(1, abs(x))) return x
  }
  return abs(evaluate(a, at(x))) < 1e-10 ? x : null
}
