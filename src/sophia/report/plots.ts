/**
 * Plots as HTML tables with small inline drawings, so that they read on a phone and by ear, and scale with the text:
 * accuracy by group with its interval, shares of reasons, lengths of right and wrong responses. No axis is ever cut:
 * percent run from 0 to 100.
 */
import type { Accuracy } from '../score.ts'
import type { Lengths } from './data.ts'
import { escapeHtml } from './escape.ts'

/** Groups of a key that are drawn at most. */
const MOST = 40

/** Bars of accuracy with whiskers of the 95% interval; a dotted line where the whole stands. */
export function accuracyPlot(key: string, groups: Record<string, Accuracy>, whole: number): string {
  const entries = Object.entries(groups).sort(order)
  const rows = entries.slice(0, MOST).map(([value, { accuracy, ci95, n }]) => {
    const [low, high] = ci95
    const whisker = `M${low} 6H${high}M${low} 3V9M${high} 3V9`
    const drawing = `<rect class="value" width="${accuracy}" y="2" height="8"/><path class="mean" d="M${whole} 0V12"/><path class="whisker" d="${whisker}"/>`
    return (
      `<tr><th scope="row"><button type="button" data-key="${escapeHtml(key)}" data-value="${escapeHtml(value)}">${escapeHtml(value)}</button></th>` +
      `<td class="bar">${svg(drawing)}</td><td class="number">${accuracy.toFixed(1)}</td>` +
      `<td class="interval">${low.toFixed(1)}–${high.toFixed(1)}</td><td class="n">${n}</td></tr>`
    )
  })
  const rest = entries.length > MOST ? `<p class="note">and ${entries.length - MOST} more</p>` : ''
  return figure(
    titleOf(key),
    `<table><thead><tr><th></th><td></td><td>%</td><td class="interval">95%</td><td>n</td></tr></thead><tbody>${rows.join('')}</tbody></table>${rest}`,
  )
}

/** Shares of the responses by verdict.reason, in percent. */
export function reasonsPlot(reasons: Record<string, number>): string {
  const rows = Object.entries(reasons).map(
    ([reason, share]) =>
      `<tr><th scope="row"><button type="button" data-key="reason" data-value="${escapeHtml(reason)}">${escapeHtml(reason)}</button></th>` +
      `<td class="bar">${svg(`<rect class="${reason === 'right' ? 'right' : 'wrong'}" width="${share}" y="2" height="8"/>`)}</td>` +
      `<td class="number">${share.toFixed(1)}</td></tr>`,
  )
  return figure('Verdicts', `<table><tbody>${rows.join('')}</tbody></table>`)
}

export interface Histogram {
  /** Width of a bin. */
  step: number
  right: number[]
  wrong: number[]
}

/** Counts of lengths in at most 30 bins [i·step, (i+1)·step), whose width is 1, 2 or 5 times a power of ten. */
export function histogram({ right, wrong }: Pick<Lengths, 'right' | 'wrong'>): Histogram {
  const longest = [...right, ...wrong].reduce((a, b) => Math.max(a, b), 0)
  const size = 10 ** Math.floor(Math.log10(Math.max(1, longest / 30)))
  const step = [1, 2, 5, 10].map(factor => factor * size).find(width => longest / width < 30) as number
  const bins = Math.floor(longest / step) + 1
  const count = (lengths: number[]) => {
    const counts = new Array<number>(bins).fill(0)
    for (const length of lengths) counts[Math.floor(length / step)]++
    return counts
  }
  return { step, right: count(right), wrong: count(wrong) }
}

/** Lengths of right responses above the line, of wrong ones below it, on one scale. */
export function lengthsPlot(lengths: Lengths): string {
  const { step, right, wrong } = histogram(lengths)
  const [tallest, deepest] = [right, wrong].map(counts => Math.max(0, ...counts))
  const scale = 96 / Math.max(1, tallest + deepest)
  const line = round(2 + scale * tallest)
  const bar = (kind: 'right' | 'wrong') => (count: number, i: number) => {
    if (count === 0) return ''
    const height = round(scale * count)
    const range = `${(i * step).toLocaleString('en')}–${((i + 1) * step - 1).toLocaleString('en')} ${lengths.unit}`
    const y = kind === 'right' ? round(line - height) : line
    return `<rect class="${kind}" x="${i + 0.06}" y="${y}" width="0.88" height="${height}"><title>${count} ${kind}, ${range}</title></rect>`
  }
  const drawing = `${right.map(bar('right')).join('')}${wrong.map(bar('wrong')).join('')}<path class="axis" d="M0 ${line}H${right.length}"/>`
  const told = (kind: 'right' | 'wrong') => {
    const held = lengths[kind]
    const median = held.length === 0 ? '' : `, median ${medianOf(held).toLocaleString('en')}`
    return `<span class="key ${kind}">${held.length.toLocaleString('en')} ${kind}${median}</span>`
  }
  const ends = [0, right.length / 2, right.length].map(i => `<span>${Math.round(i * step).toLocaleString('en')}</span>`)
  return figure(
    `Length in ${lengths.unit}`,
    `<p class="keys">${told('right')} ${told('wrong')}</p>` +
      `<svg class="histogram" viewBox="0 0 ${right.length} 100" preserveAspectRatio="none" role="img" aria-label="Right responses above the line, wrong ones below">${drawing}</svg>` +
      `<p class="ends" aria-hidden="true">${ends.join('')}</p>`,
  )
}

/** A drawing of 0 to 100 percent. */
function svg(drawing: string): string {
  const grid = '<path class="grid" d="M0 0V12M25 0V12M50 0V12M75 0V12M100 0V12"/>'
  return `<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">${grid}${drawing}</svg>`
}

function figure(title: string, body: string): string {
  return `<section class="plot"><h2>${escapeHtml(title)}</h2>${body}</section>\n`
}

/** answer_type → Answer type */
export function titleOf(key: string): string {
  const words = key.replaceAll('_', ' ')
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

/** Levels and other numbers upwards, "Level 2" too; names by accuracy, the best first. */
function order([a, x]: [string, Accuracy], [b, y]: [string, Accuracy]): number {
  const [p, q] = [a, b].map(value => Number(/^[a-z]*[ _-]?(\d+(?:\.\d+)?)$/i.exec(value)?.[1] ?? Number.NaN))
  return Number.isNaN(p) || Number.isNaN(q) ? y.accuracy - x.accuracy || y.n - x.n : p - q
}

/** The lower of the two middles where there are two. */
function medianOf(values: number[]): number {
  return Float64Array.from(values).sort()[(values.length - 1) >> 1]
}

const round = (x: number) => Math.round(x * 100) / 100
