/** The two doors through which other people's text enters the page: as data in a JSON block, and as plain HTML text. */

/**
 * JSON that may stand in a script element: no character of it can begin a tag, an end tag or a comment. Control
 * characters and lone surrogates are escaped by JSON.stringify; the value read back is the value.
 */
export function embed(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text for HTML's text and quoted attributes; control characters, which HTML cannot hold, become U+FFFD. */
export function escapeHtml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[&<>"']/g, character => entities[character]).replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
}
