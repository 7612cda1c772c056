/** LLMs in the graders' seats: what they are asked, how their words are read, what becomes of rows. The LLMs are rules of our own. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Failure, Generated, Generator, Message } from '../../src/generate/types.ts'
import { evaluate, rescore } from '../../src/sophia/evaluate.ts'
import { asResponse, extractedBy } from '../../src/sophia/extractor.ts'
import { type Grade, grade, rewardBy } from '../../src/sophia/grade.ts'
import { agrees, decisionIn } from '../../src/sophia/juror.ts'
import type { Row } from '../../src/sophia/rows.ts'
import type { Response } from '../../src/sophia/score.ts'
import { Seat } from '../../src/sophia/seat.ts'
import { echo } from './echo.ts'

const test = suite('grade')

type Reply = string | Failure | { text: string; finish: 'length' }

/** An LLM that answers by `rule`, a little later for some questions than for others; remembers what it was asked. */
function llm(name: string, rule: (prompt: string, messages: Message[]) => Reply, ahead = 8) {
  const asked: Message[][] = []
  const load = { now: 0, most: 0 }
  const generator: Generator = {
    window: 1,
    ahead,
    async *generate(requests): AsyncGenerator<Generated | Failure> {
      for (const { messages, images } of requests) {
        assert.equal(images, [])
        asked.push(messages)
        load.most = Math.max(load.most, ++load.now)
        await new Promise(done => setTimeout(done, (asked.length * 7) % 5))
        load.now--
        const reply = rule(messages[0].text, messages)
        if (typeof reply === 'string') yield { text: reply, tokens: 1, finish: 'stop', logprob: 0 }
        else if ('error' in reply) yield reply
        else yield { ...reply, tokens: 9, logprob: 0 }
      }
    },
    close: async () => {},
  }
  return { seat: new Seat(generator, name), asked, load }
}

const problem: Row = { id: 'a', question: 'How many legs has a spider?', answer: '8' }
const part = (prompt: string, name: string) => new RegExp(`\n${name}:\n([\\s\\S]*?)\n\n`).exec(prompt)?.[1]
const all = async <T>(items: AsyncIterable<T>) => {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test('the extractor sees question, options and what follows the thought; never the gold', async () => {
  const { seat, asked } = llm('E', () => 'C')
  const row = { id: 'a', question: 'Which one?', options: ['ant', 'bee', 'cow'], answer: 'GOLD' }
  const made = (await grade(
    row,
    { text: '<think>bee? </think>I would say the cow.' },
    { judge: 'strict', extractor: seat },
  )) as Grade
  const [[{ role, text }]] = asked
  assert.is(role, 'user')
  assert.is(part(text, 'Question'), 'Which one?\n(A) ant\n(B) bee\n(C) cow')
  assert.is(part(text, 'Response'), 'I would say the cow.')
  assert.not.match(text, /GOLD|bee\?/)
  assert.equal(made.extraction, { text: 'C', model: 'E' })
})

test('the rules judge what was extracted, every judge of them', async () => {
  const rows: [Row, string, boolean][] = [
    [{ question: '?', answer: 'C', options: ['1', '2', '3'] }, 'C', true],
    [{ question: '?', answer: 'C', options: ['1', '2', '3'] }, 'B', false],
    [{ question: '?', answer: '\\frac{1}{2}' }, '$\\frac{1}{2}$', true],
    [{ question: '?', answer: '0.5' }, '\\(\\frac12\\)', true],
    [{ question: '?', answer: '12' }, '**Final answer:** 12', true],
    [{ question: '?', answer: '12' }, '```\n12\n```', true],
    [{ question: '?', answer: '12' }, '\\boxed{12}', true],
    [{ question: '?', answer: '12' }, '<think>Is it 13? No.</think>12', true],
    [{ question: '?', answer: '12' }, '12}', false],
    [{ question: '?', answer: '8' }, 'NONE', false],
  ]
  for (const judge of ['strict', 'mathvision', 'olympiadbench'] as const)
    for (const [row, reply, right] of rows) {
      const { seat } = llm('E', () => reply)
      const made = (await grade(
        row,
        { text: 'Many words, and the number 99 at the end: 99' },
        { judge, extractor: seat },
      )) as Grade
      if (reply !== '12}') assert.is(made.verdict.reward, right ? 1 : 0, `${judge}: ${reply} for ${row.answer}`)
      if (reply === 'NONE')
        assert.equal(made, {
          verdict: { reward: 0, answer: null, reason: 'no answer' },
          extraction: { text: '', model: 'E' },
        })
      else assert.is(made.verdict.answer, made.extraction?.text)
    }
  assert.is(asResponse('x_{1}'), '\\boxed{x_{1}}')
  assert.is(asResponse('$a$ and $b$'), '\\boxed{$a$ and $b$}')
  assert.is(asResponse('\\{1, 2\\}'), '\\boxed{\\{1, 2\\}}')
})

test('a long response is shown from its end; one without an answer is not shown', async () => {
  const { seat, asked } = llm('E', () => '8')
  await extractedBy(seat, problem, `${'x'.repeat(50_000)} The end: 8`)
  const shown = part(asked[0][0].text, 'Response')!
  assert.match(shown, /^…x+ The end: 8$/)
  assert.ok(shown.length < 12_100)
  for (const [text, finish, reason] of [
    ['<think>Eight? Let me', 'length', 'truncated'],
    ['<think>Eight.', 'stop', 'unclosed think'],
    ['<think>Eight.</think>  ', 'stop', 'no answer'],
    ['', 'stop', 'no answer'],
    ['Easy. <think>Eight', 'stop', 'unclosed think'],
  ] as const) {
    const { verdict, extraction } = (await grade(
      problem,
      { text, finish },
      { judge: 'strict', extractor: seat, juror: seat },
    )) as Grade
    assert.equal([verdict.reward, verdict.reason, verdict.judge, extraction], [0, reason, undefined, undefined])
  }
  assert.is(asked.length, 1)
})

test('the judge sees question, gold and answer, and its word counts', async () => {
  const { seat, asked } = llm('J', prompt => (part(prompt, 'Given answer') === 'eight' ? 'Yes.' : 'no'))
  const extractor = llm('E', prompt => part(prompt, 'Response')!.replace('It is ', '')).seat
  const right = (await grade(
    { ...problem, answer: ['8', 8] },
    { text: 'It is eight' },
    { judge: 'strict', extractor, juror: seat },
  )) as Grade
  assert.equal(right, {
    verdict: { reward: 1, answer: 'eight', reason: 'right', judge: 'J' },
    extraction: { text: 'eight', model: 'E' },
  })
  assert.is(part(asked[0][0].text, 'Question'), 'How many legs has a spider?')
  assert.is(part(asked[0][0].text, 'Correct answer'), '8\nor\n8')
  // alone, it sees the end of the response
  const wrong = (await grade(
    problem,
    { text: '<think>a</think>So \\boxed{8}.' },
    { judge: 'strict', juror: seat },
  )) as Grade
  assert.is(part(asked[1][0].text, 'Given answer'), 'So \\boxed{8}.')
  assert.equal(wrong, { verdict: { reward: 0, answer: '8', reason: 'wrong', judge: 'J' } })
})

test('only a plain yes or no is a decision', () => {
  for (const yes of [
    'yes',
    'Yes.',
    'YES',
    '**Yes**',
    '"yes"',
    'correct',
    '{"agrees": true}',
    '```json\n{"why": "same", "ok": "yes"}\n```',
  ])
    assert.is(decisionIn(yes), true, yes)
  for (const no of ['no', 'No!', 'incorrect', '{"equal": false}']) assert.is(decisionIn(no), false, no)
  for (const none of [
    '',
    'Yes, because',
    'maybe',
    'yes and no',
    '{}',
    '{"a": true, "b": false}',
    '{"a":',
    '[true]',
    'constructor',
    '1',
  ])
    assert.is(decisionIn(none), undefined, none)
})

test('who says neither is asked once more, then the row carries an error', async () => {
  const second = llm('J', (_, messages) => (messages.length === 1 ? 'Well, it depends.' : 'no'))
  assert.is(await agrees(second.seat, problem, '8'), false)
  assert.equal(
    second.asked[1].map(({ role }) => role),
    ['user', 'assistant', 'user'],
  )
  const never = llm('J', () => 'Well, it depends.')
  const made = await grade(problem, { text: '8' }, { judge: 'strict', juror: never.seat })
  assert.ok('error' in made && made.error.retryable && /J: expected yes or no, got "Well/.test(made.error.message))
  assert.is(never.asked.length, 2)
  const endless = llm('J', () => ({ text: '<think>Hm', finish: 'length' }))
  const cut = await grade(problem, { text: '8' }, { judge: 'strict', juror: endless.seat })
  assert.ok('error' in cut && cut.error.code === 'too-long' && cut.error.retryable)
})

test('eval: in order, several at once, and the responses to a problem are all there or none', async () => {
  const failure: Failure = { error: { code: 'busy', message: 'status 429', retryable: true } }
  const { seat, load } = llm('E', prompt =>
    /Problem 3\?/.test(prompt) ? failure : part(prompt, 'Response')!.slice(-1),
  )
  const rows = Array.from({ length: 9 }, (_, i) => ({ id: `p${i}`, question: `Problem ${i}?`, answer: '7' }))
  const options = {
    samples: 2,
    prompt: '{question}',
    system: '',
    judge: 'strict' as const,
    extractor: seat,
    model: 'M',
    images: async () => [],
  }
  const made = await all(evaluate(rows, echo(100), options))
  assert.equal(
    made.map(({ id, response, error }) => [
      id,
      (response as Response | undefined)?.index,
      (error as { code: string } | undefined)?.code,
    ]),
    rows.flatMap(({ id }) => (id === 'p3' ? [[id, undefined, 'busy']] : [0, 1].map(i => [id, i, undefined]))),
  )
  assert.equal(made[6].error, { stage: 'eval', code: 'busy', message: 'status 429', retryable: true })
  for (const { response } of made.filter(row => row.response)) {
    const { text, verdict, extraction } = response as Response
    assert.equal(extraction, { text: text.slice(-1), model: 'E' })
    assert.is(verdict.reward, text.endsWith('7') ? 1 : 0)
  }
  assert.ok(load.most > 2 && load.most <= 16, `${load.most} at once`)
})

test('saved answers, and reward, by an LLM', async () => {
  const { seat } = llm('J', prompt => (part(prompt, 'Given answer') === part(prompt, 'Correct answer') ? 'yes' : 'no'))
  const rows = [
    { id: 'a', question: '?', answer: '7', response: '7' },
    { id: 'b', question: '?', answer: '7', response: '7.0' },
    { id: 'c', question: '?', response: '7' },
    { id: 'd', error: { stage: 'x', code: 'x', message: 'x', retryable: true } },
  ]
  const judged = await all(rescore(rows, { judge: 'strict', juror: seat, key: 'response', model: 'M' }))
  assert.equal(
    judged.map(({ response }) => (response as Partial<Response>)?.verdict),
    [
      { reward: 1, answer: '7', reason: 'right', judge: 'J' },
      { reward: 0, answer: '7.0', reason: 'wrong', judge: 'J' },
      undefined,
      undefined,
    ],
  )
  assert.is((judged[2].error as { code: string }).code, 'no-answer')
  const rewarded = await all(rewardBy(rows, { judge: 'strict', juror: seat }, 'response'))
  assert.equal(
    rewarded.map(({ verdict }) => (verdict as { reward: number } | undefined)?.reward),
    [1, 0, undefined, undefined],
  )
  assert.equal(rewarded[3], rows[3])
})

test.run()
