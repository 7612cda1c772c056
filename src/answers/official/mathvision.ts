/**
 * MathVision's own judge: its extraction, its string surgery, its rounding to two decimals, quirks included; kept for scores that compare with the
 * leaderboard. What it leaves out: nothing of the official verdict that we know of but calculus, which it could evaluate and nobody answers with.
 */
import { type Node, some } from '../ast.ts'
import { evaluate } from '../evaluate.ts'
import { exact } from '../exact.ts'
import { LIMITS } from '../limits.ts'
import { trimEdges } from '../strings.ts'
import { parseOfficial } from './grammar.ts'
import { float } from './text.ts'

const FLAGS = ['the final answer is', 'the answer is', 'the correct answer is', 'the answer should be']

/** The answer that the official script reads out of a response, in its own normal form (lower case, no spaces). */
export function mathvisionExtract(response: string): string {
  let text = response.trim()
  for (const letter of 'ABCDE') {
    const ends = text.endsWith(` ${letter}.`) || text.endsWith(` (${letter}).`)
    if (
      ends ||
      text.startsWith(`${letter}\n`) ||
      text.startsWith(`(${letter})\n`) ||
      text.startsWith(`(${letter}) ${letter}\n`)
    )
      text = letter
  }
  const said = trimEdges(after(text, 'is '), '.', 'end')
  if (isNumber(said)) text = said
  const count = text.split('oxed{').length - 1
  if (count === 0) {
    for (const flag of FLAGS) {
      text = sentence(text, flag)
      text = sentence(text, flag.replace('the', 'The'))
    }
  } else if (count > 1) text = `\\boxed{${after(text, 'oxed{')}`
  return trimEdges(trimEdges(tidy(mathAnswer(text)), '.', 'end'), ':', 'start').trim()
}

function after(text: string, mark: string): string {
  const at = text.lastIndexOf(mark)
  return at < 0 ? text : text.slice(at + mark.length)
}

/** What follows the last `flag`, its first line up to the first full stop. */
function sentence(text: string, flag: string): string {
  if (!text.includes(flag)) return text.trim()
  return after(text, flag).trim().split('\n')[0].split('. ')[0]
}

function isNumber(text: string): boolean {
  return !Number.isNaN(float(text)) || /^\s*[+-]?nan\s*$/i.test(text) || /^[½¼¾⅓⅔²³¹]$/.test(text)
}

function tidy(text: string): string {
  return text.replace(/\(([a-e])\)/g, '$1').replace(/\{([a-e])\}/g, '$1')
}

function mathAnswer(text: string): string {
  let s = text.toLowerCase().replaceAll('{}', '')
  // the official pattern is greedy: from a box's brace to the last closing brace
  const open = s.indexOf('oxed{')
  const close = s.lastIndexOf('}')
  if (open >= 0 && close >= open + 5) s = s.slice(open + 5, close)
  const brace = s.indexOf('}')
  if (brace >= 0 && (s.indexOf('{') < 0 || brace < s.indexOf('{'))) s = s.slice(0, brace)
  s = after(after(s, '='), '\\approx')
  s = s.replaceAll(' ', '').replaceAll('\\,', '').replaceAll('∞', '\\infty')
  s = s.replaceAll('+\\infty', '\\infty').replaceAll('\\\\', '\\').replaceAll('\n', '')
  s = s.replaceAll('\\text', '').replaceAll('\\mbox', '').replaceAll('bmatrix', 'pmatrix')
  s = s.replaceAll('\\left', '').replaceAll('\\right', '').replaceAll('^{\\circ}', '').replaceAll('^\\circ', '')
  s = s
    .replaceAll('{m}^3', '')
    .replaceAll('m^3', '')
    .replaceAll('{units}', '')
    .replaceAll('units', '')
    .replaceAll('{km}', '')
    .replaceAll('km', '')
  return strip(s)
}

/** The string normal form of the MATH data set's graders, which the official script uses. */
function strip(text: string): string {
  let s = text
    .replaceAll('\n', '')
    .replaceAll('\\!', '')
    .replaceAll('\\\\', '\\')
    .replaceAll('tfrac', 'frac')
    .replaceAll('dfrac', 'frac')
  s = s
    .replaceAll('\\left', '')
    .replaceAll('\\right', '')
    .replaceAll('^{\\circ}', '')
    .replaceAll('^\\circ', '')
    .replaceAll('\\$', '')
    .replaceAll('$', '')
  s = s.replaceAll('\\%', '').replaceAll(' .', ' 0.').replaceAll('{.', '{0.')
  if (s === '') return s
  if (s[0] === '.') s = `0${s}`
  const sides = s.split('=')
  if (sides.length === 2 && sides[0].length <= 2) s = sides[1]
  s = fixFractions(fixRoots(s).replaceAll(' ', ''))
  if (s === '0.5') s = '\\frac{1}{2}'
  return fixSlash(s)
}

function fixRoots(text: string): string {
  const parts = text.split('\\sqrt')
  let out = parts[0]
  for (const part of parts.slice(1))
    out += part !== '' && part[0] !== '{' ? `\\sqrt{${part[0]}}${part.slice(1)}` : `\\sqrt${part}`
  return out
}

function fixFractions(text: string): string {
  const parts = text.split('\\frac')
  let out = parts[0]
  for (const part of parts.slice(1)) {
    out += '\\frac'
    if (part[0] === '{') {
      out += part
      continue
    }
    if (part.length < 2) return text
    out += part[1] === '{' ? `{${part[0]}}${part.slice(1)}` : `{${part[0]}}{${part[1]}}${part.slice(2)}`
  }
  return out
}

function fixSlash(text: string): string {
  const sides = text.split('/')
  if (sides.length !== 2 || !/^-?\d+$/.test(sides[0]) || !/^-?\d+$/.test(sides[1])) return text
  const [a, b] = sides.map(x => BigInt(x))
  return text === `${a}/${b}` ? `\\frac{${a}}{${b}}` : text
}

/** Whether the official script takes two answers for one. */
export function mathvisionEqual(answer: string, gold: string): boolean {
  const a = answer.toLowerCase()
  const g = gold.toLowerCase()
  if (a.replaceAll(' ', '') === '' || g.replaceAll(' ', '') === '') return false
  if (a.trim() === g.trim()) return true
  const [x, y] = [tuple(a), tuple(g)]
  if (x === y) return true
  const v = rounded(x)
  return v !== null && v === rounded(y)
}

/** A tuple or list with its elements rounded to two decimals, where all of them have values. */
function tuple(text: string): string {
  const round = text[0] === '(' && text.at(-1) === ')'
  const square = text[0] === '[' && text.at(-1) === ']'
  const items = text.slice(1, -1).split(',')
  if ((!round && !square) || items.length < 2) return text
  const out: string[] = []
  for (const item of items) {
    if (item.includes('infty') || item === 'a' || item === '-a') out.push(item)
    else {
      const value = rounded(item)
      if (value === null) return text
      out.push(value)
    }
  }
  return round ? `(${out.join(',')})` : `[${out.join(',')}]`
}

/** The value of a LaTeX text at two decimals as Python rounds, or null. */
function rounded(text: string): string | null {
  try {
    // a list has no value, but a complete value may have anything behind it
    const node = parseOfficial(text.replaceAll('$', '').replaceAll('\\%', '/100 '), ',')
    if (
      some(
        node,
        x => (x.k === 'sym' && x.name !== 'pi' && x.name !== 'e') || x.k === 'rel' || x.k === 'call' || x.k === 'inf',
      )
    )
      return null
    const value = decimalOf(node)
    return Number.isFinite(value) ? twoDecimals(value) : null
  } catch {
    return null
  }
}

function decimalOf(node: Node): number {
  const rational = exact(node)
  const direct = rational && Number(rational[0]) / Number(rational[1])
  if (direct !== null && Number.isFinite(direct)) return direct
  const budget = { visits: LIMITS.visits }
  const value = evaluate(node, {
    budget,
    constants: new Set(['pi', 'e']),
    principal: true,
    value: () => [Number.NaN, 0],
  })
  return value[1] === 0 ? value[0] : Number.NaN
}

/** Halves go to the even digit. */
function twoDecimals(x: number): string {
  if (Math.abs(x) >= 1e15) return String(x)
  const scaled = Math.abs(x) * 100
  const half = Math.floor(scaled) + 0.5
  if (scaled === half && half / 100 === Math.abs(x) && Math.abs(x) * 8 === Math.floor(Math.abs(x) * 8)) {
    const even = Math.floor(scaled) % 2 === 0 ? Math.floor(scaled) : Math.floor(scaled) + 1
    return String((Math.sign(x) * even) / 100 || 0)
  }
  return String(Number(x.toFixed(2)) || 0)
}
