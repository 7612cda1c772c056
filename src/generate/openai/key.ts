/** The API key: read from the environment, sent in one header, and never told to anybody else. */
import { UserError } from '../../errors.ts'

/** Shorter ones are stand-ins ("EMPTY"), no secrets: they are words that a text may hold. */
const SECRET = 8

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
    return this.text.length < SECRET ? text : text.replaceAll(this.text, '[API key]')
  }
}
