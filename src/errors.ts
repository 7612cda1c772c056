/**
 * Two kinds of failure: the user's, which is told in a sentence, and ours, which keeps its stack.
 */

/** A fault that the user can mend. Its message says where, what was expected, what came and what to do next. */
export class UserError extends Error {
  override name = 'UserError'

  /** @param exitCode 1: the work failed; 2: the command was used wrongly. */
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
  }
}
