/**
 * Answers that are more than one value: lists, sets, tuples, intervals, unions, matrices, labels (`x = 5` answers `5`).
 * Decides how two such trees are compared; single values go to scalar.ts, relations to relations.ts.
 */
import { children, type Node, some, symbols } from './ast.ts'
import { relationEqual } from './relations.ts'
import { type Rules, scalarEqual, signs } from './scalar.ts'

type Seq = Extract<Node, { k: 'seq' }>
type Calls = Extract<Node, { k: 'call' }>
type Rel = Extract<Node, { k: 'rel' }>

const ORDER = new Set(['<', '<=', '>', '>='])

/** Whether two parsed answers are the same answer. */
export function treeEqual(gold: Node, pred: Node, rules: Rules): boolean {
  const [tupled, other] = [inOrder(pred, gold), inOrder(gold, pred)]
  if (tupled) return treeEqual(gold, tupled, rules)
  if (other) return treeEqual(other, pred, rules)
  const g = several(gold)
  const p = several(pred)
  if (g.length !== 1 || p.length !== 1 || unordered(gold) !== unordered(pred)) {
    if (unordered(gold) && unordered(pred) && braces(gold) !== braces(pred) && nested(gold, pred)) return false
    return listEqual(g, p, rules)
  }
  return itemEqual(g[0], p[0], rules)
}

/** A bare list in the shape that the other answer has: `x = 3, y = 4` beside a tuple, `x < 1 or x > 3` beside a union; else null. */
function inOrder(node: Node, beside: Node): Node | null {
  if (node.k !== 'seq' || node.open !== '' || node.a.length < 2) return null
  if (beside.k === 'seq' && beside.open === '(') {
    const labels = node.a.map(label)
    const values = node.a.map(labelled)
    const fits =
      labels.every(x => x !== null) && new Set(labels).size === labels.length && values.every(x => x !== null)
    return fits ? { k: 'seq', open: '(', close: ')', a: values as Node[] } : null
  }
  if (beside.k !== 'call' || beside.name !== 'cup') return null
  const parts = node.a.map(x => (x.k === 'rel' ? intervalOf(x) : null))
  return parts.every(x => x !== null) ? { k: 'call', name: 'cup', a: parts as Node[] } : null
}

const unordered = (node: Node) => node.k === 'seq' && (node.open === '' || node.open === '{')
const braces = (node: Node) => node.k === 'seq' && node.open === '{'
const nested = (a: Node, b: Node) => [a, b].some(x => x.k === 'seq' && x.a.some(braces))

/** The items of a list or set, with `±` written out; anything else is a list of itself. */
function several(node: Node): Node[] {
  if (node.k === 'seq' && (node.open === '' || node.open === '{')) return node.a.flatMap(x => signs(x))
  if (node.k === 'rel' && /^(?:=|in)$/.test(node.ops[node.ops.length - 1])) {
    const last = node.a[node.a.length - 1]
    if (last.k === 'seq' && (last.open === '' || last.open === '{')) return several(last)
  }
  return signs(node)
}

function listEqual(gold: Node[], pred: Node[], rules: Rules): boolean {
  const goldLabels = gold.map(label)
  const predLabels = pred.map(label)
  const named = (labels: (string | null)[]) =>
    labels.every(x => x !== null) && new Set(labels).size === labels.length && labels.length > 1
  if (named(goldLabels) && named(predLabels) && gold.length === pred.length) {
    const byName = gold.every((x, i) => {
      const j = predLabels.indexOf(goldLabels[i])
      return j >= 0 && itemEqual(x, pred[j], rules)
    })
    if (byName || goldLabels.every(x => predLabels.includes(x))) return byName
  }
  if (named(goldLabels) !== named(predLabels) && !gold.some(x => x.k === 'seq') && gold.length === pred.length) {
    // x = 1, y = 2 against 1, 2: in order
    return gold.every((x, i) => itemEqual(x, pred[i], rules))
  }
  const rest = new Set(pred.keys())
  const covers = gold.every(x => {
    let hit = false
    for (let j = 0; j < pred.length && !hit; j++) {
      if (!itemEqual(x, pred[j], rules)) continue
      rest.delete(j)
      hit = true
    }
    return hit
  })
  return covers && [...rest].every(j => gold.some(x => itemEqual(x, pred[j], rules)))
}

/** What stands before `=` where the rest is its value: a name, a call, a quantity without numbers. */
function label(node: Node): string | null {
  if (node.k !== 'rel' || node.ops[0] !== '=' || !nameish(node.a[0])) return null
  return JSON.stringify(node.a[0], (_, x) => (typeof x === 'bigint' ? `${x}` : x))
}

function nameish(node: Node): boolean {
  switch (node.k) {
    case 'sym':
    case 'call':
      return true
    case 'seq':
    case 'fn':
      return node.a.every(nameish)
    case 'mul':
      return (
        node.a.every(nameish) &&
        (node.a.every(x => x.k === 'sym' && (/^[A-Z]/.test(x.name) || x.unit)) ||
          node.a.some(x => x.k === 'seq' || x.k === 'call'))
      )
    case 'div':
      return nameish(node.x) && nameish(node.y)
    default:
      return false
  }
}

/** The value of `x = …`, or null where the relation is more than a label and a value. */
function labelled(node: Node): Node | null {
  if (node.k !== 'rel') return null
  const known = node.ops.some(op => op === '=')
  let end = node.a.length - 1
  // = 1/3 ≈ 0.33: the value is what is exact
  while (known && end > 0 && node.ops[end - 1] === '≈') end--
  const ops = node.ops.slice(0, end)
  if (end === 0) return null
  if (ops.length === 1 && ops[0] === 'in') return node.a[1]
  if (!ops.every(op => op === '=') && !(ops.length === 1 && ops[0] === '≈')) return null
  const value = node.a[end]
  if (end === 1 && !nameish(node.a[0]) && symbols(node.a[0]).size > 0) return null
  if (end > 1 && !nameish(node.a[0]) && symbols(value).size > 0) return null
  const inside = symbols(value)
  // cos x = y says more than y
  if (inside.size > 0 && some(node.a[0], x => x.k === 'fn')) return null
  if (node.a[0].k === 'sym' && inside.has(node.a[0].name)) return null
  return value
}

function itemEqual(gold: Node, pred: Node, rules: Rules): boolean {
  if (gold.k === 'rel' && pred.k === 'rel') return bothRelations(gold, pred, rules)
  if (gold.k === 'rel' || pred.k === 'rel') {
    const rel = gold.k === 'rel' ? gold : (pred as Rel)
    const other = gold.k === 'rel' ? pred : gold
    const value = labelled(rel) ?? (shape(other) ? intervalOf(rel) : null)
    if (!value) return false
    return gold.k === 'rel' ? treeEqual(value, pred, rules) : treeEqual(gold, value, rules)
  }
  if (gold.k === 'seq' || pred.k === 'seq' || gold.k === 'matrix' || pred.k === 'matrix')
    return shapesEqual(gold, pred, rules)
  if (gold.k === 'call' && pred.k === 'call' && gold.name === pred.name && (gold.name === 'cup' || gold.name === 'cap'))
    return listEqual(gold.a, pred.a, rules)
  if (gold.k === 'call' && pred.k === 'call' && gold.name === ':' && pred.name === ':') {
    const shares = (node: Calls) => node.a.slice(1).map((x): Node => ({ k: 'div', x, y: node.a[0] }))
    return gold.a.length === pred.a.length && shares(gold).every((x, i) => scalarEqual(x, shares(pred)[i], rules))
  }
  if (gold.k === 'call' && pred.k === 'call' && gold.name === pred.name && gold.a.some(shape))
    return gold.a.length === pred.a.length && gold.a.every((x, i) => itemEqual(x, pred.a[i], rules))
  return scalarEqual(gold, pred, rules)
}

const shape = (node: Node) =>
  node.k === 'seq' || node.k === 'matrix' || (node.k === 'call' && /^(?:cup|cap|setminus)$/.test(node.name))

function bothRelations(gold: Rel, pred: Rel, rules: Rules): boolean {
  const g = labelled(gold)
  const p = labelled(pred)
  if (g && p && sameLabel(gold, pred) && treeEqual(g, p, rules)) return true
  if (g && shape(g) && !p) {
    const interval = intervalOf(pred)
    if (interval && treeEqual(g, interval, rules)) return true
  }
  if (p && shape(p) && !g) {
    const interval = intervalOf(gold)
    if (interval && treeEqual(interval, p, rules)) return true
  }
  return relationEqual(gold, pred, rules)
}

function sameLabel(gold: Rel, pred: Rel): boolean {
  const name = (node: Node) => JSON.stringify(node, (_, x) => (typeof x === 'bigint' ? `${x}` : x))
  return name(gold.a[0]) === name(pred.a[0])
}

const INFINITE: Node = { k: 'inf' }

/** `-2 ≤ x < 7` as `[-2, 7)`, `x > 5` as `(5, ∞)`, or null. */
function intervalOf(rel: Rel): Node | null {
  if (!rel.ops.every(op => ORDER.has(op))) return null
  const up = rel.ops[0][0] === '<'
  if (!rel.ops.every(op => (op[0] === '<') === up)) return null
  const a = up ? rel.a : [...rel.a].reverse()
  const ops = (up ? rel.ops : [...rel.ops].reverse()).map(op => op.length > 1)
  const free = (node: Node) => symbols(node).size > 0 || some(node, x => x.k === 'call')
  const interval = (low: Node, high: Node, closedLow: boolean, closedHigh: boolean): Node => ({
    k: 'seq',
    open: closedLow ? '[' : '(',
    close: closedHigh ? ']' : ')',
    a: [low, high],
  })
  if (a.length === 3 && nameish(a[1]) && !free(a[0]) && !free(a[2])) return interval(a[0], a[2], ops[0], ops[1])
  if (a.length !== 2) return null
  if (nameish(a[0]) && !free(a[1])) return interval({ k: 'neg', x: INFINITE }, a[1], false, ops[0])
  if (nameish(a[1]) && !free(a[0])) return interval(a[0], INFINITE, ops[0], false)
  return null
}

function shapesEqual(gold: Node, pred: Node, rules: Rules): boolean {
  if (gold.k === 'matrix' && pred.k === 'matrix') {
    return (
      gold.rows.length === pred.rows.length &&
      gold.rows.every(
        (row, i) => row.length === pred.rows[i].length && row.every((x, j) => itemEqual(x, pred.rows[i][j], rules)),
      )
    )
  }
  const g = vector(gold)
  const p = vector(pred)
  if (!g || !p) return false
  if (gold.k === 'seq' && pred.k === 'seq' && !brackets(gold, pred)) return false
  if ((gold.k === 'seq' && gold.open === '{') || (pred.k === 'seq' && pred.open === '{'))
    return unordered(gold) === unordered(pred) && listEqual(several(gold), several(pred), rules)
  return g.length === p.length && g.every((x, i) => treeEqual(x, p[i], rules))
}

/** `(a, b)` and a bare group of a list of groups compare as tuples; other brackets must be the same. */
function brackets(gold: Seq, pred: Seq): boolean {
  const kind = (x: Seq) => (x.open === '' ? '()' : x.open + x.close)
  return kind(gold) === kind(pred)
}

/** The entries of a tuple, or of a matrix of one row or column. */
function vector(node: Node): Node[] | null {
  if (node.k === 'seq') return node.a
  if (node.k !== 'matrix') return null
  if (node.rows.length === 1) return node.rows[0]
  return node.rows.every(row => row.length === 1) ? children(node) : null
}
