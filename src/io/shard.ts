/** `--shard i/n`: which rows are this process's. By hash of the problem's id, so that a problem stays in one piece. */
import { UserError } from '../errors.ts'
import { uniform } from '../random.ts'

export interface Shard {
  /** 1 … count */
  index: number
  count: number
}

/** @throws UserError unless `text` is i/n with 1 ≤ i ≤ n. */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number)
  if (!(index >= 1 && index <= count))
    throw new UserError(`--shard: expected i/n with 1 ≤ i ≤ n, such as 2/8, got ${text}`, 2)
  return { index, count }
}

export function inShard(id: string, { index, count }: Shard): boolean {
  return Math.floor(uniform(0, 'shard', id) * count) === index - 1
}
