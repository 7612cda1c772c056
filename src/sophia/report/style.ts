/** How the page looks: system fonts, light and dark as the reader's system has it, two panes that become one on a phone. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --raised: #ffffff; --ink: #1e2022; --soft: #686c72; --line: #e2dfd8; --track: #eeebe4;
  --right: #0f766e; --wrong: #c2490f; --bar: #5b7fb5; --accent: #2a5ca8; --chosen: #e9eef7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --raised: #1d2024; --ink: #e4e3df; --soft: #9a9ea5; --line: #33373d; --track: #272b30;
    --right: #4db6a9; --wrong: #ee8a55; --bar: #7096d0; --accent: #8ab4f0; --chosen: #26303f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", sans-serif;
  display: grid; grid-template-columns: minmax(17rem, 23rem) minmax(0, 1fr);
}
[hidden] { display: none !important; }
noscript { grid-column: 1 / -1; padding: 0 2rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1rem; margin: 0 0 0.4rem; }
p { margin: 0; }
a { color: var(--accent); }
button, select, input { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.kicker { font-size: 0.8rem; color: var(--soft); letter-spacing: 0.04em; }
.models, .note { color: var(--soft); font-size: 0.9rem; }
.note { margin: 1.2rem 0 0; }

main { grid-column: 2; padding: 1.6rem clamp(1rem, 3vw, 3rem) 4rem; min-width: 0; }
#overview, #item { max-width: 76rem; }
.headline { margin: 1.4rem 0 2rem; max-width: 44rem; }
.figure { display: flex; align-items: baseline; flex-wrap: wrap; gap: 0 0.7rem; }
.figure strong { font-size: 3rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.figure small { font-size: 0.5em; font-weight: 500; margin-left: 0.1em; }
.figure span { color: var(--soft); font-size: 0.9rem; }
.headline svg { display: block; width: 100%; height: 1.1rem; }
.headline dl { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; margin: 0.7rem 0 0; }
.headline dt { font-size: 0.8rem; color: var(--soft); }
.headline dd { margin: 0; font-variant-numeric: tabular-nums; }

.plots { columns: 30rem; column-gap: 2.8rem; }
.plot { break-inside: avoid; padding-bottom: 1.8rem; }
.plot table { border-collapse: collapse; width: 100%; font-size: 0.9rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.plot th { text-align: left; font-weight: 400; width: 12.5rem; padding: 0.14rem 0.7rem 0.14rem 0; }
.plot td { text-align: right; padding: 0.14rem 0 0.14rem 0.7rem; white-space: nowrap; }
.plot td.bar { padding: 0; width: auto; }
.plot thead td { color: var(--soft); font-size: 0.78rem; padding-top: 0; padding-bottom: 0; }
.plot .interval, .plot .n { color: var(--soft); font-size: 0.8rem; }
.plot .number { width: 3.1rem; } .plot .interval { width: 5.6rem; } .plot .n { width: 2.8rem; }
.plot th button { background: none; border: 0; padding: 0; text-align: left; cursor: pointer; overflow-wrap: anywhere; }
.plot th button:hover { color: var(--accent); text-decoration: underline; }
.plot svg { display: block; width: 100%; }
.bar svg { height: 1.15rem; }
rect.track { fill: var(--track); } rect.value { fill: var(--bar); } rect.right { fill: var(--right); } rect.wrong { fill: var(--wrong); }
path { fill: none; vector-effect: non-scaling-stroke; }
path.grid { stroke: var(--line); stroke-width: 1px; } path.whisker { stroke: var(--ink); stroke-width: 1.25px; }
path.mean { stroke: var(--soft); stroke-width: 1px; stroke-dasharray: 2 2; } path.axis { stroke: var(--soft); stroke-width: 1px; }
.histogram { height: 9rem; }
.ends { display: flex; justify-content: space-between; font-size: 0.8rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.keys { display: flex; flex-wrap: wrap; gap: 0 1.2rem; font-size: 0.85rem; }
.key::before { content: ""; display: inline-block; width: 0.65em; height: 0.65em; margin-right: 0.4em; background: var(--right); }
.key.wrong::before { background: var(--wrong); }

aside {
  grid-column: 1; grid-row: 1; position: sticky; top: 0; height: 100vh; overflow-y: auto;
  border-right: 1px solid var(--line); padding: 1rem 0.8rem;
}
#filters { display: grid; grid-template-columns: 1fr 1fr; gap: 0.5rem; }
#filters label { font-size: 0.78rem; color: var(--soft); display: block; min-width: 0; }
#filters label.wide { grid-column: 1 / -1; }
#filters input, #filters select, #more, nav button {
  width: 100%; min-height: 2.1rem; padding: 0.2rem 0.5rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--raised); color: var(--ink); font-size: 0.95rem;
}
#count { font-size: 0.85rem; color: var(--soft); margin: 0.8rem 0.3rem 0.3rem; min-height: 1.4em; }
#count button { background: none; border: 0; padding: 0; color: var(--accent); cursor: pointer; text-decoration: underline; }
#list { list-style: none; margin: 0; padding: 0; }
#list a {
  display: grid; grid-template-columns: 2.1rem minmax(0, 1fr); padding: 0.4rem 0.3rem; border-radius: 6px;
  color: inherit; text-decoration: none; font-size: 0.9rem; line-height: 1.35;
}
#list li + li a { border-top: 1px solid var(--line); border-radius: 0; }
#list a:hover, #list a[aria-current] { background: var(--chosen); }
#list a[aria-current] { box-shadow: inset 3px 0 var(--accent); }
#list .id { color: var(--soft); font-size: 0.8rem; }
#list .line { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.mark { font-weight: 650; text-align: center; font-variant-numeric: tabular-nums; }
.mark.right, .is-right { color: var(--right); } .mark.wrong, .is-wrong { color: var(--wrong); } .mark.mixed { font-size: 0.85em; }
#more { margin-top: 0.6rem; cursor: pointer; }
.hint { font-size: 0.78rem; color: var(--soft); margin: 1rem 0.3rem 0; }
kbd { font: inherit; border: 1px solid var(--line); border-radius: 4px; padding: 0 0.3em; background: var(--raised); }

nav { display: flex; align-items: center; gap: 0.5rem; margin-bottom: 1.2rem; }
nav button { width: auto; cursor: pointer; padding: 0.2rem 0.8rem; }
nav button:disabled { color: var(--soft); cursor: default; }
nav span { margin-left: auto; color: var(--soft); font-size: 0.85rem; }
#item:focus { outline: none; }
.facts { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; color: var(--soft); font-size: 0.88rem; margin: 0.3rem 0 1.2rem; }
.problem { display: grid; gap: 1.4rem 2rem; align-items: start; }
.problem.pictured { grid-template-columns: minmax(0, 1fr) minmax(0, 24rem); }
.pictures { display: grid; gap: 0.8rem; }
.pictures img { display: block; max-width: 100%; height: auto; max-height: 28rem; background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: 6px; }
.pictures img.tiny { image-rendering: pixelated; width: min(100%, 16rem); }
.problem-text { display: grid; gap: 1rem; }
.problem-text > * { margin: 0; }
.text { white-space: pre-wrap; unicode-bidi: plaintext; max-width: 46rem; tab-size: 2; }
.options { list-style: none; padding: 0; }
.options li { display: grid; grid-template-columns: 1.4rem auto auto; justify-content: start; gap: 0.3rem 0.8rem; padding: 0.15rem 0.4rem; border-left: 3px solid transparent; }
.options.letters { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; }
.options.letters li { grid-template-columns: auto auto; }
.options li.gold { border-color: var(--right); }
.options .tag { font-size: 0.8rem; color: var(--soft); }
.answers { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.2rem 1rem; margin: 0; }
.answers dt { color: var(--soft); } .answers dd { margin: 0; white-space: pre-wrap; }
.response .answers { margin: 0.4rem 0 1rem; }
.answers .given { font-weight: 600; }
.response { border-top: 1px solid var(--line); margin-top: 1.8rem; padding-top: 1rem; }
.response h2 { display: flex; flex-wrap: wrap; gap: 0 0.8rem; align-items: baseline; }
.response h2 small { font-weight: 400; color: var(--soft); font-size: 0.85rem; }
details { margin: 0.7rem 0; border-left: 3px solid var(--line); padding-left: 1rem; }
summary { cursor: pointer; color: var(--soft); font-size: 0.9rem; }
details .text { margin-top: 0.5rem; color: color-mix(in srgb, var(--ink) 85%, var(--paper)); }
.missing { color: var(--wrong); font-size: 0.9rem; }

@media (max-width: 70rem) { .problem.pictured { grid-template-columns: minmax(0, 1fr); } .pictures { order: -1; } }
@media (max-width: 52rem) {
  body { display: block; }
  main { padding: 1.1rem 1rem 1.5rem; }
  aside { position: static; height: auto; border-right: 0; border-top: 1px solid var(--line); padding: 1rem; }
  body[data-view="item"] aside { display: none; }
  .hint { display: none; }
  .plot .interval { display: none; }
  .plot th { width: 34%; }
}
@media print { aside, nav { display: none; } body { display: block; } }
`
