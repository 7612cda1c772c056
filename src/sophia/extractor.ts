/**
 * An LLM that reads the final answer out of a response, as the paper had it: the rules then judge that answer, and do
 * not have to find it. It sees the question and what follows the thought, never the golden answer.
 */
import { optionLines } from './prompts.ts'
import { questionOf, type Row } from './rows.ts'
import { endOf, type Fault, type Seat } from './seat.ts'

/** Characters of a response that are shown. */
const SHOWN = 12_000

const PROMPT = `You will be given a question and somebody's response to it. Copy out the final answer that the response gives, and nothing else.

- Give it as it stands there: for a multiple-choice question the letter alone; else the number, formula or words, with the unit if there is one. Keep LaTeX as it is.
- If the response corrects itself, the last answer counts. Several answers that belong together go on one line with commas between them.
- Do not solve the question, do not correct the answer and do not explain it.
- If the response comes to no final answer, write NONE.`

/** The final answer in `response` (without its thought); '' where there is none. */
export async function extractedBy(seat: Seat, row: Row, response: string): Promise<string | Fault> {
  const question = `${questionOf(row)}${optionLines(row.options)}`
  const text = `${PROMPT}\n\nQuestion:\n${question}\n\nResponse:\n${endOf(response, SHOWN)}\n\nFinal answer:`
  const said = await seat.ask([{ role: 'user', text }])
  return typeof said === 'string' ? bare(said) : said
}

/** Without what LLMs wrap an answer in. */
function bare(said: string): string {
  const text = said
    .replace(/^```\w*\n([\s\S]*?)\n?```$/, '$1')
    .replace(/^\**(?:the )?final answer(?: is)?\**\s*:?\s*\**\s*/i, '')
    .replace(/^\*\*([^*]+)\*\*\.?$/, '$1')
    .trim()
  return /^["'(]?none["')]?\.?$/i.test(text) ? '' : text
}

/**
 * `answer` as a response that every judge reads it from, whatever its own way of finding answers.
 * Not boxed where it has a box or would break it.
 */
export function asResponse(answer: string): string {
  if (answer === '' || answer.includes('\\boxed')) return answer
  const math = /^(?:\$\$?([^$]+)\$\$?|\\\(((?:(?!\\\)).)+)\\\)|\\\[((?:(?!\\\]).)+)\\\])$/s.exec(answer)
  const inner = (math?.[1] ?? math?.[2] ?? math?.[3] ?? answer).trim()
  return balanced(inner) ? `\\boxed{${inner}}` : answer
}

function balanced(text: string): boolean {
  let depth = 0
  for (const [mark] of text.matchAll(/\\.|[{}]/gs)) {
    if (mark === '{') depth++
    else if (mark === '}' && --depth < 0) return false
  }
  return depth === 0
}
