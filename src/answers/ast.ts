/**
 * What the parser makes of an answer. One small tree for numbers, expressions, relations, lists, intervals, matrices and words;
 * what it leaves out: calculus (sums, integrals and limits are kept as opaque calls of their parts).
 */

export type Node =
  | { k: 'num'; v: number; n: bigint; d: bigint; decimals: number }
  /** A name; or a unit, `size` of which make the base unit that it is named by. */
  | { k: 'sym'; name: string; unit?: boolean; size?: number }
  | { k: 'inf' }
  | { k: 'add'; a: Node[] }
  | { k: 'mul'; a: Node[] }
  | { k: 'neg'; x: Node }
  | { k: 'div'; x: Node; y: Node }
  | { k: 'pow'; x: Node; y: Node }
  /** A known function (`sin`, `log` with optional base second, `root` with its index second, …). */
  | { k: 'fn'; name: string; a: Node[] }
  /** A function that we know by name only: equal where name and arguments are. */
  | { k: 'call'; name: string; a: Node[] }
  | { k: 'text'; s: string }
  /** `a op b op c …` */
  | { k: 'rel'; ops: string[]; a: Node[] }
  /** `(a, b]`, `{a, b}`, or a bare list, whose brackets are empty. */
  | { k: 'seq'; open: string; close: string; a: Node[] }
  | { k: 'matrix'; rows: Node[][] }

const ONE = 1n

/** An exact integer node. */
export function int(n: number): Node {
  return { k: 'num', v: n, n: BigInt(n), d: ONE, decimals: 0 }
}

/** The children of a node, in order. */
export function children(node: Node): Node[] {
  switch (node.k) {
    case 'num':
    case 'sym':
    case 'inf':
    case 'text':
      return []
    case 'neg':
      return [node.x]
    case 'div':
    case 'pow':
      return [node.x, node.y]
    case 'matrix':
      return node.rows.flat()
    default:
      return node.a
  }
}

/** Whether some node of the tree satisfies `test`. */
export function some(node: Node, test: (node: Node) => boolean): boolean {
  return test(node) || children(node).some(child => some(child, test))
}

/** A copy of the tree in which `change` may replace any node (children first). */
export function map(node: Node, change: (node: Node) => Node): Node {
  const again = (child: Node) => map(child, change)
  switch (node.k) {
    case 'num':
    case 'sym':
    case 'inf':
    case 'text':
      return change(node)
    case 'neg':
      return change({ ...node, x: again(node.x) })
    case 'div':
    case 'pow':
      return change({ ...node, x: again(node.x), y: again(node.y) })
    case 'matrix':
      return change({ ...node, rows: node.rows.map(row => row.map(again)) })
    default:
      return change({ ...node, a: node.a.map(again) })
  }
}

/** The names of the symbols in the tree, units left out. */
export function symbols(node: Node, into = new Set<string>()): Set<string> {
  if (node.k === 'sym') {
    if (!node.unit && !CONSTANTS.has(node.name)) into.add(node.name)
  } else for (const child of children(node)) symbols(child, into)
  return into
}

/** Symbols with a value of their own in the strict judge. */
export const CONSTANTS = new Set(['pi', 'e', 'i'])
