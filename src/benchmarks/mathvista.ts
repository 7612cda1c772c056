/**
 * MathVista, testmini: 1,000 problems about pictures from 31 data sets, 540 multiple choice, the rest integers, decimals
 * and lists. Relies on the keys of the Hub's AI4Math/MathVista (pid, question, image, decoded_image, choices, unit,
 * precision, answer, question_type, answer_type, metadata, query) and of data/testmini.json in the official repository,
 * an object by pid without query and decoded_image.
 */
import type { Row } from '../io/row.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'

const LANGUAGES: Record<string, string> = { english: 'en', chinese: 'zh', persian: 'fa' }

export const mathvista: Benchmark = {
  judge: 'mathvista',
  hub: 'AI4Math/MathVista',
  download:
    'MathVista: data/testmini-*.parquet of the data set AI4Math/MathVista, or data/testmini.json and images/ of github.com/lupantech/MathVista',

  files: names =>
    firstFormat(
      names.filter(name => /(^|\/)testmini(-[^/]*)?\.(parquet|json|jsonl)$/.test(name)),
      ['.parquet', '.json', '.jsonl'],
    ),

  problem(item) {
    if (item.answer === undefined || item.answer === null || item.answer === '') return undefined
    const choice = item.question_type === 'multi_choice'
    const metadata = (item.metadata ?? {}) as Row
    const picture = item.decoded_image ?? item.image
    return {
      id: String(item.pid),
      images: picture ? [picture] : [],
      question: item.query || queryOf(item),
      ...(choice && { options: item.choices }),
      answer: item.answer,
      answer_type: choice ? 'choice' : item.answer_type,
      ...(item.unit ? { unit: item.unit } : {}),
      ...(typeof item.precision === 'number' && { precision: item.precision }),
      subject: metadata.task,
      subfield: metadata.context,
      level: metadata.grade,
      category: metadata.category,
      skills: metadata.skills,
      origin: metadata.source,
      source: 'mathvista',
      language: LANGUAGES[String(metadata.language).toLowerCase()] ?? metadata.language,
    }
  },

  /** The query has the hint and the options already: those of the row are for judging. */
  prompt: () => '{question}',
}

/** What the official query asks, for items that come without theirs: kind of answer, question, unit, options. */
function queryOf(item: Row): string {
  const { question, unit, choices, answer_type, precision } = item
  const decimals = precision === 1 ? 'one decimal place' : `${precision ?? 2} decimal places`
  const [kind, value] =
    item.question_type === 'multi_choice'
      ? ['', 'letter of the right option, e.g. A, B, C or D,']
      : answer_type === 'integer'
        ? [' with an integer', 'value, e.g. 1, 2 or 3,']
        : answer_type === 'list'
          ? [' with a Python list', 'list, e.g. [1, 2, 3],']
          : [` with a decimal number of ${decimals}`, `value, e.g. ${(1.234).toFixed(Number(precision ?? 2))},`]
  const options = Array.isArray(choices) ? choices.map((text, i) => `(${String.fromCharCode(65 + i)}) ${text}`) : []
  return [
    `Hint: answer the question${kind} and give the ${value} at the end.`,
    `Question: ${question}${unit ? ` (Unit: ${unit})` : ''}`,
    ...(options.length > 0 ? ['Choices:', ...options] : []),
  ].join('\n')
}
