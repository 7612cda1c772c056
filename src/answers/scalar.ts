/**
 * Two single values under the strict judge: exact where both are rational, sampled otherwise, units kept.
 * A decimal stands for an exact value only where it has four figures or more and is that value rounded.
 */
import { map, type Node, some, symbols } from './ast.ts'
import { abs, type C } from './complex.ts'
import { type Budget, evaluate } from './evaluate.ts'
import { compare, exact } from './exact.ts'
import { unitProduct } from './numerals.ts'
import { agree, pointAt, sameValue } from './sample.ts'
import { isUnitLetter } from './units.ts'

/** How a comparison is to be made. */
export type Rules = {
  budget: Budget
  /** Absolute tolerance that the item allows, or 0. */
  tolerance: number
  /** The unit that the item names outside the answer, or nothing. */
  unit: string
}

const isUnit = (node: Node) => node.k === 'sym' && node.unit === true
const isMark = (node: Node) => node.k === 'sym' && node.unit === true && (node.name === '%' || node.name === 'deg')

/** The tree with units taken for 1; inside functions they stay (`\sin 30°`). */
export function unitless(node: Node): Node {
  switch (node.k) {
    case 'sym':
      return node.unit ? { k: 'num', v: 1, n: 1n, d: 1n, decimals: 0 } : node
    case 'mul':
    case 'add':
      return { ...node, a: node.a.map(unitless) }
    case 'neg':
      return { ...node, x: unitless(node.x) }
    case 'div':
    case 'pow':
      return { ...node, x: unitless(node.x), y: node.k === 'pow' ? node.y : unitless(node.y) }
    default:
      return node
  }
}

/** `3 m` with its letter as a unit; null where more letters than that are in it. */
function lettersAsUnits(node: Node): Node | null {
  const names = [...symbols(node)]
  if (names.length !== 1 || !isUnitLetter(names[0])) return null
  return map(node, x => (x.k === 'sym' && x.name === names[0] ? unitProduct(x.name, true) : x))
}

/** Whether two values are the same answer. Symmetric but for units: a unit more than the gold has is no fault, one less is. */
export function scalarEqual(gold: Node, pred: Node, rules: Rules): boolean {
  if (valueEqual(gold, pred, rules)) return true
  const goldUnits = some(gold, isUnit)
  const predUnits = some(pred, isUnit)
  if (!goldUnits && !predUnits) {
    const named = rules.unit !== '' ? lettersAsUnits(gold) : null
    return named !== null && valueEqual(unitless(named), pred, rules)
  }
  if (goldUnits !== predUnits) {
    const [g, p] = [goldUnits ? gold : lettersAsUnits(gold), predUnits ? pred : lettersAsUnits(pred)]
    if (g && p && valueEqual(g, p, rules)) return true
  }
  if (predUnits && !goldUnits) {
    if (rules.unit !== '') {
      const asked = unitProduct(rules.unit, true)
      if (valueEqual({ k: 'mul', a: [gold, asked] }, pred, rules)) return true
      // 3 cm is no 3 where metres were asked for; an unknown word may be the same unit in other words
      if (some(pred, x => isUnit(x) && some(asked, y => y.k === 'sym' && x.k === 'sym' && y.name === x.name)))
        return false
    }
    return valueEqual(gold, unitless(pred), rules)
  }
  if (goldUnits && !predUnits) {
    // degrees and percents are often in the question already
    const marksOnly = !some(gold, node => isUnit(node) && !isMark(node))
    return (marksOnly || rules.unit !== '') && valueEqual(unitless(gold), pred, rules)
  }
  return false
}

function valueEqual(gold: Node, pred: Node, rules: Rules): boolean {
  const g = exact(gold)
  const p = g && exact(pred)
  if (g && p && compare(g, p) === 0) return true
  const symbolic = symbols(gold).size > 0 || symbols(pred).size > 0 || some(gold, isUnit) || some(pred, isUnit)
  if (symbolic || some(gold, node => node.k === 'call') || some(pred, node => node.k === 'call'))
    return agree(gold, pred, rules.budget)
  const at = pointAt(0, rules.budget)
  const x = evaluate(gold, at)
  const y = evaluate(pred, at)
  if (
    rules.tolerance > 0 &&
    Math.abs(x[0] - y[0]) <= rules.tolerance * (1 + 1e-9) &&
    abs([0, x[1] - y[1]]) <= rules.tolerance
  )
    return true
  if (g && p) return rounds(gold, pred, x, y)
  return sameValue(gold, pred, x, y) || rounds(gold, pred, x, y)
}

/** One side a decimal of four figures or more, the other exact and no decimal: is the one the other rounded? */
function rounds(gold: Node, pred: Node, x: C, y: C): boolean {
  if (x[1] !== 0 || y[1] !== 0) return false
  const g = decimal(gold)
  const p = decimal(pred)
  if (g && p) return false
  if (p) return !isWhole(gold) && p.figures >= 4 && Math.abs(y[0] - x[0]) <= p.step * 0.5000001
  if (g) return !isWhole(pred) && g.figures >= 4 && Math.abs(y[0] - x[0]) <= g.step * 0.5000001
  return false
}

function isWhole(node: Node): boolean {
  const value = exact(node)
  return value !== null && value[1] === 1n
}

/** The figures and the last place of a decimal numeral, its sign and power of ten included. */
export function decimal(node: Node): { figures: number; step: number } | null {
  if (node.k === 'neg') return decimal(node.x)
  if (node.k === 'num') {
    if (node.decimals === 0) return null
    return { figures: node.n.toString().length, step: 10 ** -node.decimals }
  }
  if (node.k === 'mul' && node.a.length === 2 && node.a[1].k === 'pow') {
    const base = node.a[1].x
    const inner = base.k === 'num' && base.v === 10 && base.decimals === 0 ? decimal(node.a[0]) : null
    const power = inner && exact(node.a[1].y)
    return inner && power && power[1] === 1n
      ? { figures: inner.figures, step: inner.step * 10 ** Number(power[0]) }
      : null
  }
  return null
}

/** Both answers that `±` stands for (`∓` the other way round), or the tree itself. */
export function signs(node: Node): Node[] {
  if (!some(node, x => x.k === 'fn' && (x.name === '±' || x.name === '∓'))) return [node]
  const pick = (minus: string): Node =>
    map(node, x =>
      x.k === 'fn' && (x.name === '±' || x.name === '∓') ? (x.name === minus ? { k: 'neg', x: x.a[0] } : x.a[0]) : x,
    )
  return [pick('∓'), pick('±')]
}
