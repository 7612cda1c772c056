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

/** Codes of the system where it has no room, no right or no such place: faults that the user can mend. */
const SYSTEM = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EIO', 'ENAMETOOLONG', 'EMFILE'])

/** Whether the system refused to read or write. Its message says what and where. */
export const ofSystem = (error: Error): boolean => SYSTEM.has((error as NodeJS.ErrnoException).code ?? '')
