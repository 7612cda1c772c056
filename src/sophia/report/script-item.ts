/** An item: picture, question, options, answers, and each response with its thought folded. Part of script.ts. */
export const itemScript = String.raw`
/** Thoughts up to this many characters are open from the start. */
const SHORT = 2500

function showItem(item, neighbours) {
  const problem = held('problem-' + item.block)
  const { state, mark } = stateOf(item)
  const facts = keys.map((key, i) => item.facets[i] && titles[i] + ': ' + item.facets[i]).filter(Boolean)
  const one = item.responses.length === 1 ? item.responses[0] : undefined
  $('item').replaceChildren(
    navigation(neighbours),
    make('h1', {}, make('span', { className: 'mark ' + state, title: state, role: 'img', ariaLabel: state }, mark), ' ', item.id || '(no id)'),
    make('p', { className: 'facts' }, facts.map(fact => make('span', {}, fact))),
    make(
      'div',
      { className: problem.pictures.length > 0 ? 'problem pictured' : 'problem' },
      make(
        'div',
        { className: 'problem-text' },
        make('div', { className: 'text', dir: 'auto' }, problem.question || '(no question)'),
        options(problem, one),
        answers(problem, one),
        problem.solution && folded('Solution', problem.solution, false),
      ),
      problem.pictures.length > 0 &&
        make('div', { className: 'pictures' }, problem.pictures.map((picture, i) => pictureOf(picture, i))),
    ),
    ...item.errors.map(error =>
      make('section', { className: 'response' }, make('h2', { className: 'is-wrong' }, 'No response'), make('p', { className: 'text' }, error)),
    ),
    ...item.responses.map((response, i) => responseOf(response, i, item)),
  )
}

function navigation({ previous, next, place }) {
  const go = (label, target, title) =>
    make('button', { type: 'button', disabled: !target, title, onclick: () => target && open(target) }, label)
  return make(
    'nav',
    { ariaLabel: 'Items' },
    make('button', { type: 'button', onclick: close, title: 'Esc' }, 'Overview'),
    go('Previous', previous, 'k'),
    go('Next', next, 'j'),
    make('span', {}, place),
  )
}

function pictureOf(picture, i) {
  if (typeof picture === 'string') return make('p', { className: 'missing' }, 'No picture: ' + picture)
  const image = make('img', { alt: 'Picture ' + (i + 1) + ' of the problem' })
  image.onload = () => image.classList.toggle('tiny', Math.max(image.naturalWidth, image.naturalHeight) <= 128)
  image.src = held('picture-' + picture)
  return image
}

const letterOf = i => String.fromCharCode(65 + i)
const names = (answer, i, option) => {
  const bare = String(answer ?? '').trim().replace(/^\(?([A-Za-z])[).]?$/, '$1')
  return bare.toUpperCase() === letterOf(i) || (bare !== '' && bare === option.trim())
}

function options(problem, one) {
  if (problem.options.length === 0) return undefined
  const letters = problem.options.every((option, i) => option === letterOf(i))
  return make(
    'ol',
    { className: letters ? 'options letters' : 'options' },
    problem.options.map((option, i) => {
      const gold = names(problem.gold, i, option)
      const tags = [gold && 'correct', one && names(one.answer, i, option) && 'answered'].filter(Boolean)
      return make(
        'li',
        { className: gold ? 'gold' : '' },
        make('span', {}, letterOf(i)),
        !letters && make('span', { className: 'text', dir: 'auto' }, option),
        make('span', { className: 'tag' }, tags.join(', ')),
      )
    }),
  )
}

/** The gold, and beside it the answer and the verdict where there is one response. */
function answers(problem, one) {
  const extra = [problem.unit && 'unit ' + problem.unit, problem.tolerance && 'tolerance ' + problem.tolerance].filter(Boolean)
  const rows = [['Gold', make('dd', {}, problem.gold || '(none)', extra.length > 0 ? ' (' + extra.join(', ') + ')' : '')]]
  if (one) rows.push(...judged(one))
  return make('dl', { className: 'answers' }, rows.flatMap(([name, value]) => [make('dt', {}, name), value]))
}

function judged({ answer, reward, reason, judge, steps }) {
  const told = [reason, steps && steps.right + ' of ' + steps.of + ' steps', judge && 'says ' + judge].filter(Boolean).join(', ')
  return [
    ['Answer', make('dd', { className: 'given' }, answer === null ? '(none)' : answer)],
    ['Verdict', make('dd', { className: reward === 1 ? 'is-right' : 'is-wrong' }, (reward === 1 ? '✓ ' : '✗ ') + told)],
  ]
}

function responseOf(response, i, item) {
  const { block, tokens, finish, model, reward, reason } = response
  const several = item.samples > 1 || item.responses.length > 1
  const facts = [
    tokens > 0 && number(tokens) + ' tokens',
    finish === 'length' && 'cut off at the limit',
    model,
  ].filter(Boolean)
  return make(
    'section',
    { className: 'response' },
    make('h2', {}, several ? 'Response ' + (response.index + 1) : 'Response', make('small', {}, facts.join(' · '))),
    several && make('dl', { className: 'answers' }, judged(response).flatMap(([name, value]) => [make('dt', {}, name), value])),
    ...held('response-' + block).map(part =>
      part.kind === 'thought'
        ? folded('Thought, ' + number(part.text.length) + ' characters' + (part.open ? ', never closed' : ''), part.text, part.text.length <= SHORT && i < 4)
        : make('div', { className: 'text', dir: 'auto' }, part.text || '(empty)'),
    ),
  )
}

/** A long text is laid out when it is unfolded. */
function folded(title, text, unfolded) {
  const details = make('details', { open: unfolded }, make('summary', {}, title))
  const fill = () => {
    if (details.open && details.childElementCount === 1) details.append(make('div', { className: 'text', dir: 'auto' }, text))
  }
  details.addEventListener('toggle', fill)
  fill()
  return details
}
`
