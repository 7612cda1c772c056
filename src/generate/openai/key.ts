/** The API key: read from the environment, sent in one header, and never told to anybody else. */
import { UserError } from '../../errors.ts'

/** Shorter ones are stand-ins ("EMPTY"), no secrets: they are words that a text may hold. */
const SECRET = 8

const PLACE = '[API key]'

export class Key {
  private constructor(private readonly text: string) {}

  /**
   * The key in the environment variable `name`; none where `name` is not given and OPENAI_API_KEY is not set.
   * @throws UserError where the variable that was named is not set, or holds what no header can
   */
  static fromEnvironment(name?: string): Key {
    const variable = name ?? 'OPENAI_API_KEY'
    const text = process.env[variable]?.trim() ?? ''
    if (text === '' && name !== undefined)
      throw new UserError(
        `the environment variable ${name} was named to hold the API key, but it is not set or empty`,
        2,
      )
    if (!/^[\x21-\x7e]*$/.test(text))
      throw new UserError(`${variable}: expected an API key without spaces or line ends in it, got something else`, 2)
    return new Key(text)
  }

  headers(): Record<string, string> {
    return this.text === '' ? {} : { authorization: `Bearer ${this.text}` }
  }

  /** `text` without the key, wherever a server put it. */
  redact(text: string): string {
    return this.text.length < SECRET ? text : text.replaceAll(this.text, PLACE)
  }

  /** The same for a text that was cut, perhaps in the middle of the key: what it begins with goes too. */
  redactCut(text: string): string {
    if (this.text.length < SECRET) return text
    const start = this.text.slice(0, SECRET)
    return this.redact(text)
      .split(start)
      .map((piece, i) => {
        if (i === 0) return piece
        let same = 0
        while (same < piece.length && piece[same] === this.text[SECRET + same]) same++
        return `${PLACE}${piece.slice(same)}`
      })
      .join('')
  }
}
