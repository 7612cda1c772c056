/**
 * From the objects of a reply to its choices. They may come in any order and mixed with each other, in pieces
 * (`delta`) or whole (`message`).
 */
import { Fault, faultIn } from './fault.ts'

/** One choice as far as it has come. */
export interface Choice {
  content: string
  reasoning: string
  /** The server's finish_reason; null before it is told. */
  finish: string | null
  /** Pieces with text in them: about as many as tokens. 0 where the choice came whole. */
  pieces: number
  /** Tokens with a log-probability, and the sum of these. */
  scored: number
  logprob: number
}

export interface Completion {
  /** By index. Some may be missing. */
  choices: Map<number, Choice>
  /** New tokens of all choices together, where the server says. */
  tokens?: number
}

type Json = Record<string, unknown>

/** @throws Fault where the reply tells an error, ends in the middle of a choice, or has none */
export async function completionOf(objects: AsyncGenerator<unknown, boolean>): Promise<Completion> {
  const choices = new Map<number, Choice>()
  let tokens: number | undefined
  let alone: number | undefined // as told beside a choice
  let told = false
  const read = (object: Json) => {
    if (object.error !== undefined && object.error !== null) throw faultIn(object.error)
    const listed = Array.isArray(object.choices) ? (object.choices as Json[]) : []
    const indices = indicesOf(listed)
    for (const [i, one] of listed.entries()) {
      const choice = choices.get(indices[i]) ?? {
        content: '',
        reasoning: '',
        finish: null,
        pieces: 0,
        scored: 0,
        logprob: 0,
      }
      choices.set(indices[i], choice)
      add(choice, one)
    }
    const used = (object.usage as Json | null | undefined)?.completion_tokens
    if (typeof used === 'number' && used >= 0) {
      if (listed.length === 1 && 'delta' in listed[0]) alone = used
      else tokens = used
    }
  }
  try {
    let next = await objects.next()
    for (; !next.done; next = await objects.next()) read((next.value ?? {}) as Json)
    told = next.value
  } finally {
    await objects.return(false)
  }
  if (choices.size === 0) throw new Fault('cut', 'expected a chat completion, got no choices', 'alone')
  const broken = [...choices.values()].find(({ finish }) => finish === 'error' || finish === 'abort')
  if (broken) throw new Fault('cut', `the server broke off (finish_reason ${broken.finish})`, 'alone')
  if (!told && [...choices.values()].some(({ finish }) => finish === null))
    throw new Fault('cut', 'the stream ended in the middle of an answer', 'alone')
  return { choices, tokens: tokens ?? (choices.size === 1 ? alone : undefined) }
}

/** Their own indices; their places where those are missing or given twice. */
function indicesOf(choices: Json[]): number[] {
  const own = choices.map(({ index }) => index)
  const good = own.every(index => Number.isInteger(index) && (index as number) >= 0) && new Set(own).size === own.length
  return good ? (own as number[]) : choices.map((_, i) => i)
}

function add(choice: Choice, one: Json): void {
  const part = (one.delta ?? one.message ?? {}) as Json
  const { text, thought } = contentOf(part.content)
  const reasoning = firstText(part.reasoning_content, part.reasoning) + thought
  const content = text || firstText(part.refusal)
  if ('delta' in one && (content !== '' || reasoning !== '')) choice.pieces++
  choice.content += content
  choice.reasoning += reasoning
  if (typeof one.finish_reason === 'string') choice.finish = one.finish_reason
  const scores = (one.logprobs as Json | null | undefined)?.content
  for (const { logprob } of Array.isArray(scores) ? (scores as Json[]) : []) {
    if (typeof logprob !== 'number') continue
    choice.scored++
    choice.logprob += logprob
  }
}

/** Text, or parts of which some are thoughts. */
function contentOf(content: unknown): { text: string; thought: string } {
  if (!Array.isArray(content)) return { text: firstText(content), thought: '' }
  let [text, thought] = ['', '']
  for (const part of content as Json[]) {
    if (typeof part?.text === 'string') text += part.text
    else if (part?.thinking !== undefined) thought += firstText(part.thinking, contentOf(part.thinking).text)
  }
  return { text, thought }
}

/** Some servers give the same text under two names, the old one and the new one. */
const firstText = (...values: unknown[]) =>
  (values.find(value => typeof value === 'string' && value !== '') as string | undefined) ?? ''
