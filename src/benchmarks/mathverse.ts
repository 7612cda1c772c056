/**
 * MathVerse, testmini, version Vision Only: 788 problems of geometry and functions whose question is in the picture.
 * Relies on the keys of the Hub's AI4Math/MathVerse and of the official repository's data/testmini.json: sample_index,
 * problem_index, problem_version, question (empty here), image, answer, question_type (multi-choice or free-form),
 * metadata {source, subject, subfield}, query_cot, question_for_eval. Officially a language model compares; we do by rule.
 */
import type { Row } from '../io/row.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'

export const mathverse: Benchmark = {
  judge: 'strict',
  hub: 'AI4Math/MathVerse',
  download:
    'MathVerse: testmini.parquet of the data set AI4Math/MathVerse, or testmini.json and images/ of its repository',

  files: names =>
    firstFormat(
      names.filter(name => /(^|\/)testmini(-[^/]*)?\.(parquet|json|jsonl)$/.test(name)),
      ['.parquet', '.json', '.jsonl'],
    ),

  problem(item) {
    if (!/^vision[ _-]only$/i.test(String(item.problem_version))) return undefined
    const choice = item.question_type === 'multi-choice'
    const options = choice ? optionsIn(String(item.question_for_eval ?? '')) : []
    const metadata = (item.metadata ?? {}) as Row
    const { image } = item
    return {
      id: String(item.sample_index),
      images: !image ? [] : [typeof image === 'string' ? image.replace(/^(?:\.?\/)?(?:images\/)?/, 'images/') : image],
      question: item.query_cot || unasked(choice),
      ...(options.length > 0 && { options }),
      answer: typeof item.answer === 'string' ? item.answer.trim() : item.answer,
      answer_type: choice ? 'choice' : 'free',
      problem_index: item.problem_index,
      subject: metadata.subject,
      subfield: metadata.subfield,
      origin: metadata.source,
      source: 'mathverse',
      language: 'en',
    }
  },

  /** The item's own query. Its options are in the picture: those of the row are for judging. */
  prompt: () => '{question}',
}

function unasked(choice: boolean): string {
  const end = choice ? 'the letter of the right option, e.g. A, B, C or D' : 'the value, e.g. 1, 2.5 or 300'
  return `The image holds the question. Reason about it first, then answer it, with ${end}, at the end.`
}

/** The options at the end of a question, `A:…` to at most `J:…` in order, each on a line of its own; none unless all follow on. */
function optionsIn(question: string): string[] {
  const start = question.search(/\n\s*choices?\s*:/i)
  const lines = start < 0 ? [] : question.slice(start).trim().split('\n').slice(1)
  const options: string[] = []
  for (const line of lines) {
    const match = /^\s*\(?([A-J])\s*[:.)、：]\s*(.*)$/.exec(line)
    if (match && match[1].charCodeAt(0) - 65 === options.length) options.push(match[2].trim())
    else if (line.trim() !== '') return []
  }
  return options
}
