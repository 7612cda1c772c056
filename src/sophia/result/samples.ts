/**
 * --log-samples: one line a problem in lmms-eval's samples layout, beside the rows that -o writes. Responses to a
 * problem that stand together share a line; where a file is sorted otherwise, a problem has several. Pictures' bytes
 * and rows with an error stay out.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { imageReferences } from '../../io/images.ts'
import { stringify } from '../../io/row.ts'
import { errorOf, idOf, type Row } from '../rows.ts'
import type { Response } from '../score.ts'

export class SampleLog {
  private file: number | undefined
  private readonly ids = new Map<string, number>()
  private held: { row: Row; responses: Response[] } | undefined

  /** @param prompt what the model was asked, less the system prompt and the pictures */
  constructor(
    private readonly path: string,
    private readonly prompt: (row: Row) => string,
    private readonly kwargs: Record<string, unknown>,
  ) {}

  add(row: Row): void {
    const response = row.response as Response | null | undefined
    if (errorOf(row) || !response?.verdict) return
    if (this.held && idOf(this.held.row) === idOf(row)) this.held.responses.push(response)
    else {
      this.flush()
      this.held = { row, responses: [response] }
    }
  }

  end(): void {
    this.flush()
    if (this.file === undefined) this.file = openSync(this.path, 'w') // nothing was answered: an empty file says so
    closeSync(this.file)
  }

  private flush(): void {
    if (!this.held) return
    const { row, responses } = this.held
    this.held = undefined
    const id = idOf(row)
    const number = this.ids.get(id) ?? this.ids.size
    this.ids.set(id, number)
    this.file ??= openSync(this.path, 'w') // not before: a run that never began leaves an older file alone
    writeSync(this.file, `${stringify(this.sample(number, row, responses))}\n`)
  }

  private sample(number: number, row: Row, responses: Response[]): Row {
    const { response: _, images: __, image: ___, ...problem } = row
    const pictures = imageReferences(row)
    const target = typeof row.answer === 'string' ? row.answer : JSON.stringify(row.answer ?? null)
    const prompt = this.prompt(row)
    const score = responses.reduce((sum, { verdict }) => sum + verdict.reward, 0) / responses.length
    return {
      doc_id: number,
      doc: { ...problem, id: idOf(row), images: pictures.map(nameOf) },
      target,
      input: prompt,
      arguments: [[prompt, this.kwargs]],
      resps: [responses.map(({ text }) => text)],
      filtered_resps: responses.map(({ verdict }) => verdict.answer),
      token_counts: responses.map(({ tokens }) => ({ output_tokens: tokens })),
      doc_hash: hash(stringify({ ...problem, images: pictures })),
      prompt_hash: hash(prompt),
      target_hash: hash(target),
      acc: score,
      score, // its comparison with a baseline looks for a key of this name
      reasons: responses.map(({ verdict }) => verdict.reason),
      model: responses[0].model,
    }
  }
}

/** A picture without its bytes: the path it came from, or null. */
function nameOf(picture: unknown): string | null {
  if (typeof picture === 'string') return picture.startsWith('data:') ? null : picture
  const { path } = (picture ?? {}) as { path?: unknown }
  return typeof path === 'string' ? path : null
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
