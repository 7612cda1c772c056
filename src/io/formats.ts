/** Which of the three file formats a name means. */
import { UserError } from '../errors.ts'

export const formats = ['jsonl', 'jsonl.gz', 'parquet'] as const
export type Format = (typeof formats)[number]

/** Standard input or output. */
export const standard = '-'

/** The format that `flag` names, or that the ending of `path` means; rows on standard input and output are JSONL. */
export function formatOf(path: string, flag?: Format): Format {
  if (flag) return flag
  if (path === standard) return 'jsonl'
  if (/\.(jsonl|ndjson)\.gz$/i.test(path)) return 'jsonl.gz'
  if (/\.parquet$/i.test(path)) return 'parquet'
  if (/\.(jsonl|ndjson)$/i.test(path) || path.startsWith('/dev/') || path.startsWith('/proc/')) return 'jsonl'
  throw new UserError(
    `${path}: expected a name that ends in .jsonl, .jsonl.gz or .parquet; say the format with --from or --to`,
    2,
  )
}
