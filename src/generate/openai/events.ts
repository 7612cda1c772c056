/** The JSON objects in a reply: the events of a stream as they come, or the one object of a server that does not stream. */
import { Fault } from './fault.ts'

/** Characters of one event, or of a reply that is no stream. */
const LONGEST = 1 << 26

/**
 * Each object of `chunks`. Returns whether the server said that this was all.
 * @throws Fault where something else than JSON comes, or half of it
 */
export async function* objectsIn(chunks: AsyncIterable<string>): AsyncGenerator<unknown, boolean> {
  let held = ''
  let at = 0 // where the next line begins
  let looked = 0 // up to here there is no end of line
  let streams: boolean | undefined
  for await (const chunk of chunks) {
    held = held.slice(at) + chunk
    looked -= at
    at = 0
    streams ??= streamed(held)
    if (streams) {
      for (let end = held.indexOf('\n', looked); end >= 0; end = held.indexOf('\n', at)) {
        const event = eventIn(held.slice(at, end))
        at = end + 1
        if (event === done) return true
        if (event !== undefined) yield event
      }
    }
    looked = held.length
    if (held.length - at > LONGEST) throw cut(`${held.length - at} characters that are no event`)
  }
  const rest = held.slice(at)
  if (streams) {
    const event = eventIn(rest)
    if (event !== undefined && event !== done) yield event
    return event === done
  }
  yield parse(rest)
  return true
}

/** By the first character: JSON and pages begin with theirs; undefined where nothing has come yet. */
function streamed(text: string): boolean | undefined {
  const first = text.trimStart().charAt(0)
  return first === '' ? undefined : !'{[<'.includes(first)
}

const done = Symbol('done')

/** The event of a line. One line holds one: so all servers write them, with or without an empty line between. */
function eventIn(line: string): unknown {
  const text = /^\s*data:(.*)$/s.exec(line)?.[1].trim()
  if (text === undefined || text === '') return undefined // a comment, an event's name, nothing
  return text === '[DONE]' ? done : parse(text)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const start = text.trim().slice(0, 80).replace(/\s+/g, ' ')
    throw cut(start === '' ? 'an empty reply' : `something that is no whole JSON (${start}…)`)
  }
}

const cut = (what: string) => new Fault('cut', `expected a chat completion, got ${what}`, 'alone')
