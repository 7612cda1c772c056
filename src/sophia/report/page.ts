/**
 * The page: one file with everything in it, that asks nobody for anything. Its content security policy allows our one
 * script (by its hash) and pictures that are data, so what a model wrote could not run even if it got out of its block.
 */
import { createHash } from 'node:crypto'
import type { Result } from '../score.ts'
import type { Item, Lengths } from './data.ts'
import { embed, escapeHtml } from './escape.ts'
import { accuracyPlot, lengthsPlot, reasonsPlot, titleOf } from './plots.ts'
import { script } from './script.ts'
import { style } from './style.ts'

/** The beginning of the page, up to where blocks of data may follow. */
export function opening(name: string): string {
  const hash = createHash('sha256').update(script).digest('base64')
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(name)} · sophia eval report</title>
<style>${style}</style>
</head>
<body data-view="overview">
<noscript><p>The plots show without JavaScript; the items need it.</p></noscript>
<div id="data" hidden>
`
}

/** A block of data that the script reads when it needs it. */
export function block(id: string, value: unknown): string {
  return `<script type="application/json" id="${id}">${embed(value)}</script>\n`
}

export interface Ending {
  name: string
  models: string[]
  result: Result
  lengths: Lengths
  /** What is embedded, of so many problems. */
  items: Item[]
  problems: number
}

/** The rest of the page: the list's data, plots, the places where items go, the script. */
export function closing({ name, models, result, lengths, items, problems }: Ending): string {
  const groups = Object.entries(result.by)
  const keys = groups.map(([key]) => key).filter(key => items.some(({ facets }) => Object.hasOwn(facets, key)))
  const list = items.map(({ facets, ...item }) => ({ ...item, facets: keys.map(key => facets[key] ?? '') }))
  const single = groups.filter(([, values]) => Object.keys(values).length === 1)
  const plots = [
    ...groups
      .filter(([, values]) => Object.keys(values).length > 1)
      .map(([key, values]) => accuracyPlot(key, values, result.accuracy)),
    reasonsPlot(result.reasons),
    lengthsPlot(lengths),
  ]
  const all = single.map(([key, values]) => `${titleOf(key)}: ${Object.keys(values)[0]}`).join(' · ')
  return `${block('index', { keys, titles: keys.map(titleOf), items: list })}</div>
<main>
<div id="overview">
<header>
<p class="kicker">sophia eval report</p>
<h1>${escapeHtml(name)}</h1>
${models.length > 0 ? `<p class="models">${escapeHtml(models.slice(0, 12).join(', '))}${models.length > 12 ? ` and ${models.length - 12} more` : ''}</p>` : ''}
</header>
<p id="unknown" class="note" role="status" hidden></p>
${headline(result)}
<div class="plots">
${plots.join('')}</div>
${all ? `<p class="note">${escapeHtml(all)}</p>` : ''}
${items.length < problems ? `<p class="note">${items.length.toLocaleString('en')} of ${problems.toLocaleString('en')} problems are in this file; the plots count all of them.</p>` : ''}
</div>
<article id="item" hidden tabindex="-1"></article>
</main>
<aside aria-label="Items">
<form id="filters" autocomplete="off"></form>
<p id="count" role="status"></p>
<ol id="list"></ol>
<button type="button" id="more" hidden>more</button>
<p class="hint"><kbd>j</kbd> <kbd>k</kbd> next, previous · <kbd>/</kbd> search · <kbd>t</kbd> thoughts · <kbd>Esc</kbd> overview</p>
</aside>
<script>${script}</script>
</body>
</html>
`
}

/** pass@1, large, with its interval drawn and the other figures beside it. */
function headline({ accuracy, ci95, n, samples, errors, tokens }: Result): string {
  const [low, high] = ci95
  const facts: [string, string][] = [['problems', n.toLocaleString('en')]]
  if (samples > 1) facts.push(['samples each', String(samples)])
  if (tokens.max > 0) {
    facts.push(['tokens a response', tokens.mean.toLocaleString('en', { maximumFractionDigits: 0 })])
    facts.push(['at most', tokens.max.toLocaleString('en')])
  }
  if (errors > 0) facts.push(['rows with an error', errors.toLocaleString('en')])
  return `<section class="headline">
<p class="figure"><strong>${accuracy.toFixed(1)}<small>%</small></strong> pass@1 <span>95% interval ${low.toFixed(1)}–${high.toFixed(1)}</span></p>
<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" y="2" height="8"/><rect class="value" width="${accuracy}" y="2" height="8"/><path class="whisker" d="M${low} 6H${high}M${low} 3V9M${high} 3V9"/></svg>
<dl>${facts.map(([key, value]) => `<div><dt>${key}</dt><dd>${value}</dd></div>`).join('')}</dl>
</section>`
}
