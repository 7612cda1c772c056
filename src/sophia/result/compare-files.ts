/** What `sophia eval compare` does with two files: rows to the output, the table to standard error, the numbers to a file. */
import { writeFileSync } from 'node:fs'
import type { Format } from '../../io/formats.ts'
import { checkWritable, openSink } from '../../io/sink.ts'
import { type CompareOptions, compare, flips } from './compare.ts'
import { comparisonTable } from './compare-table.ts'
import { readSide } from './paired.ts'

export interface CompareFlags extends CompareOptions {
  output: string
  from?: Format
  to?: Format
  summary?: string
  quiet: boolean
}

/** @throws UserError where a file is missing, holds no judged response, or shares no problem with the other */
export async function compareFiles(pathA: string, pathB: string, flags: CompareFlags): Promise<void> {
  const { output, from, to, summary, quiet, resamples, seed } = flags
  checkWritable('--summary', summary)
  const a = await readSide(pathA, from)
  const b = await readSide(pathB, from)
  const comparison = compare(a, b, { resamples, seed })
  if (summary) writeFileSync(summary, `${JSON.stringify(comparison, null, 2)}\n`)
  if (!quiet) process.stderr.write(`${comparisonTable(comparison)}\n`)
  const sink = openSink(output, to, false)
  for (const row of flips(a, b)) await sink.write(row)
  await sink.finish()
}
