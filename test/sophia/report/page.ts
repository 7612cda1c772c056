/** Reads a report as a browser does, as far as the tests need it: raw text of scripts and style, tags, attributes. */
import * as assert from 'uvu/assert'

export interface Page {
  /** Blocks of data by id, as JSON gives them. */
  blocks: Map<string, unknown>
  /** Scripts that a browser would run. */
  code: string[]
  /** What is left of the page: tags and text. */
  markup: string
}

export interface Tag {
  name: string
  attributes: Map<string, string>
}

const VOID = new Set(['meta', 'input', 'img'])

/** A script ends at the first </script, whatever stands around it. @throws where a block's id comes twice */
export function read(html: string): Page {
  const blocks = new Map<string, unknown>()
  const code: string[] = []
  const markup = html
    .replace(/<style[\s>][\s\S]*?<\/style>/gi, '')
    .replace(/<script([^>]*)>([\s\S]*?)<\/script[^>]*>/gi, (_, attributes: string, text: string) => {
      const id = /^ type="application\/json" id="([\w-]+)"$/.exec(attributes)?.[1]
      if (id === undefined) code.push(text)
      else {
        assert.not.ok(blocks.has(id), `${id} is there twice`)
        blocks.set(id, JSON.parse(text))
      }
      return ''
    })
  return { blocks, code, markup }
}

/** Every tag of `markup`. @throws where they do not nest */
export function tags(markup: string): Tag[] {
  const found: Tag[] = []
  const open: string[] = []
  for (const [, close, name, rest, self] of markup.matchAll(
    /<(\/?)([a-z][\w-]*)((?:\s+[\w-]+(?:="[^"]*")?)*)\s*(\/?)>/gi,
  )) {
    if (close) assert.is(open.pop(), name)
    else {
      const attributes = [...rest.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, key, value]) => [key, value] as const)
      found.push({ name, attributes: new Map(attributes.map(([key, value = '']) => [key, value])) })
      if (!self && !VOID.has(name)) open.push(name)
    }
  }
  assert.equal(open, [])
  // what is no tag may hold no < at all
  assert.not.match(markup.replace(/<!doctype html>|<\/?[a-z][\w-]*(?:\s+[\w-]+(?:="[^"]*")?)*\s*\/?>/gi, ''), /</)
  return found
}
