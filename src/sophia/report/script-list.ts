/** The list: filters, search, pages of entries, the address, the keyboard. Part of script.ts. */
export const listScript = String.raw`
/** Entries that are drawn at a time. */
const PAGE = 150
let shown = items
let drawn = 0
let current
let search = 0

const verdicts = item => [item.right > 0 && 'right', item.right < item.samples && 'wrong', stateOf(item).state === 'mixed' && 'mixed', item.errors.length > 0 && 'error'].filter(Boolean)
/** Name, title and values of each filter: an item passes if one of its values is the chosen one. */
const filters = [
  ['verdict', 'Verdict', verdicts],
  ['reason', 'Reason', item => item.responses.map(({ reason }) => reason)],
  ['model', 'Model', item => item.responses.map(({ model }) => model)],
  ...keys.map((key, i) => [key, titles[i], item => [item.facets[i]]]),
]
const selects = new Map()

function addFilters() {
  $('filters').append(
    make('label', { className: 'wide' }, 'Search', make('input', { type: 'search', id: 'search', placeholder: 'id, question, answer, thought', spellcheck: false })),
  )
  for (const [key, title, valuesOf] of filters) {
    const counts = new Map()
    for (const item of items) for (const value of new Set(valuesOf(item))) if (value !== '') counts.set(value, (counts.get(value) || 0) + 1)
    if (counts.size < 2 || counts.size > 300) continue
    const values = [...counts].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    const every = make('option', { value: '' }, 'all')
    const select = make('select', {}, every, values.map(([value, count]) => make('option', { value: '=' + value }, value + ' (' + count + ')')))
    selects.set(key, { select, valuesOf })
    $('filters').append(make('label', {}, title, select))
  }
}

function passes(item) {
  for (const { select, valuesOf } of selects.values())
    if (select.value !== '' && !valuesOf(item).includes(select.value.slice(1))) return false
  return true
}

/** Everything that is written in an item, in lower case. */
function textOf(item) {
  const { question, options, gold } = held('problem-' + item.block)
  const texts = [item.id, question, ...options, gold, ...item.errors]
  for (const { block, answer } of item.responses) texts.push(answer || '', ...held('response-' + block).map(part => part.text))
  return texts.join('\n').toLowerCase()
}

/** Applies the filters. A search reads all texts: in slices, so that typing goes on, and only the latest one. */
async function apply() {
  const turn = ++search
  const passed = items.filter(passes)
  const wanted = $('search').value.trim().toLowerCase()
  const found = wanted === '' ? passed : []
  for (let i = 0, since = performance.now(); wanted !== '' && i < passed.length; i++) {
    if (textOf(passed[i]).includes(wanted)) found.push(passed[i])
    if (performance.now() - since < 30) continue
    $('count').textContent = 'searching: ' + number(i) + ' of ' + number(passed.length)
    await new Promise(done => setTimeout(done))
    if (turn !== search) return
    since = performance.now()
  }
  shown = found
  drawn = 0
  $('list').replaceChildren()
  draw()
  const few = shown.length < items.length
  $('count').replaceChildren(few ? number(shown.length) + ' of ' + number(items.length) + ' problems ' : number(items.length) + ' problems')
  if (few) $('count').append(make('button', { type: 'button', onclick: clear }, 'show all'))
  if (current) route()
}

function clear() {
  $('search').value = ''
  for (const { select } of selects.values()) select.value = ''
  apply()
}

function draw() {
  const page = shown.slice(drawn, drawn + PAGE)
  $('list').append(...page.map(entryOf))
  drawn += page.length
  $('more').hidden = drawn >= shown.length
}

function entryOf(item) {
  const { state, mark } = stateOf(item)
  return make(
    'li',
    {},
    make(
      'a',
      { href: '#' + linkOf(item), 'aria-current': item === current ? 'true' : undefined },
      make('span', { className: 'mark ' + state, title: state, role: 'img', ariaLabel: state }, mark),
      make('span', {}, make('span', { className: 'id' }, item.id), make('span', { className: 'line', dir: 'auto' }, item.line)),
    ),
  )
}

/** Shows what the address says: an item, or the overview. */
function route() {
  const item = location.hash.length > 1 ? itemAt(location.hash) : undefined
  const before = current
  current = item
  document.body.dataset.view = item ? 'item' : 'overview'
  $('overview').hidden = Boolean(item)
  $('item').hidden = !item
  const at = shown.indexOf(item)
  while (at >= drawn) draw()
  for (const link of $('list').querySelectorAll('[aria-current]')) link.removeAttribute('aria-current')
  $('unknown').hidden = Boolean(item) || location.hash.length < 2
  $('unknown').textContent = 'There is no problem ' + location.hash + ' in this file.'
  if (!item) return
  const place = at < 0 ? 'not among those shown' : number(at + 1) + ' of ' + number(shown.length)
  showItem(item, { previous: shown[at - 1], next: shown[at + 1], place })
  const link = at < 0 ? undefined : $('list').children[at].firstElementChild
  if (link) {
    link.setAttribute('aria-current', 'true')
    link.scrollIntoView({ block: 'nearest' })
  }
  if (before === item) return
  $('item').focus({ preventScroll: true })
  scrollTo(0, 0)
}

/** From one item to the next the address is replaced, so that going back leads to where the reader came from. */
function open(item) {
  if (current) history.replaceState(null, '', '#' + linkOf(item))
  else location.hash = linkOf(item)
  route()
}

function close() {
  history.pushState(null, '', location.pathname + location.search)
  route()
}

function step(by) {
  const at = shown.indexOf(current)
  const next = current && at >= 0 ? shown[at + by] : shown[by > 0 ? 0 : shown.length - 1]
  if (next) open(next)
}

const actions = {
  j: () => step(1),
  k: () => step(-1),
  '/': () => $('search').focus(),
  Escape: () => current && close(),
  t: () => {
    const thoughts = [...$('item').querySelectorAll('details')]
    const unfold = thoughts.some(({ open }) => !open)
    for (const thought of thoughts) thought.open = unfold
  },
}
addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName || '')
  if (typing && event.key === 'Escape') event.target.blur()
  if (typing || !Object.hasOwn(actions, event.key)) return
  event.preventDefault()
  actions[event.key]()
})
addEventListener('hashchange', route)
addEventListener('popstate', route)

let waiting
$('filters').addEventListener('submit', event => event.preventDefault())
$('filters').addEventListener('change', event => event.target.id !== 'search' && apply())
$('filters').addEventListener('input', event => {
  if (event.target.id !== 'search') return
  clearTimeout(waiting)
  waiting = setTimeout(apply, 150)
})
$('more').addEventListener('click', draw)
$('overview').addEventListener('click', event => {
  const { key, value } = event.target.dataset
  const filter = key && selects.get(key)
  if (!filter) return
  filter.select.value = '=' + value
  apply()
  $('count').scrollIntoView({ block: 'nearest' })
})

addFilters()
apply()
route()
`
