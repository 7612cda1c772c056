/**
 * MMMU: 900 problems of its validation split from 30 college subjects in 6 disciplines, up to 7 pictures each; 847 are
 * multiple choice. The test split has no public answers and is not read. Relies on the columns of the Hub's MMMU/MMMU:
 * id, question, options and answer (Python lists in a string), image_1 … image_7, img_type, topic_difficulty,
 * question_type (multiple-choice or open), subfield.
 */
import { pythonList } from '../answers/python-list.ts'
import { fail, type Row } from '../io/row.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'

export const mmmu: Benchmark = {
  judge: 'mmmu',
  hub: 'MMMU/MMMU',
  download: 'MMMU: the folders of the data set MMMU/MMMU, of which validation-*.parquet are read',

  files: names => firstFormat(names.filter(name => /(^|\/)validation(-[^/]*)?\.(jsonl|json|parquet)$/.test(name))),

  problem(item) {
    if (item.answer === undefined || item.answer === null || item.answer === '?') return undefined
    const choice = item.question_type === 'multiple-choice'
    const options = listOf(item.options)
    if (options === null || (choice && options.length === 0)) return malformed(item)
    const { texts, images } = inOrder([String(item.question ?? ''), ...options], n => item[`image_${n}`])
    const answer = choice ? item.answer : goldsOf(item.answer)
    const subject = /^[a-z]+_(\w+)_\d+$/.exec(String(item.id))?.[1]
    return {
      id: String(item.id),
      images,
      question: texts[0],
      ...(choice && { options: texts.slice(1) }),
      answer,
      answer_type: choice ? 'choice' : 'free',
      ...(subject && { subject, category: disciplineOf(subject) }),
      subfield: item.subfield,
      level: item.topic_difficulty,
      img_type: listOf(item.img_type) ?? item.img_type,
      source: 'mmmu',
      language: 'en',
    }
  },

  /** What the official prompts ask; how the answer is marked is left to the system prompt. */
  prompt: ({ answer_type }) =>
    answer_type === 'choice'
      ? '{question}{options}\n\nAnswer with the letter of the right option, one of those given.'
      : '{question}\n\nAnswer with a single word, number or phrase.',
}

const DISCIPLINES: Record<string, string> = {
  'Art and Design': 'Art Art_Theory Design Music',
  Business: 'Accounting Economics Finance Manage Marketing',
  Science: 'Biology Chemistry Geography Math Physics',
  'Health and Medicine':
    'Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine Pharmacy Public_Health',
  'Humanities and Social Science': 'History Literature Sociology Psychology',
  'Tech and Engineering':
    'Agriculture Architecture_and_Engineering Computer_Science Electronics Energy_and_Power Materials Mechanical_Engineering',
}

/** The discipline that MMMU counts a subject to. */
export function disciplineOf(subject: string): string | undefined {
  return Object.keys(DISCIPLINES).find(name => DISCIPLINES[name].split(' ').includes(subject))
}

/** A list that a data set holds as such or as Python writes it; none for a missing one, null for a malformed one. */
export function listOf(value: unknown): string[] | null {
  if (value === undefined || value === null || value === '') return []
  return Array.isArray(value) ? value.map(String) : pythonList(String(value))
}

/** Several golds are a Python list in the string; a text that only looks like one is a gold. */
function goldsOf(answer: unknown): unknown {
  return typeof answer === 'string' && answer.trim().startsWith('[') ? (pythonList(answer) ?? answer) : answer
}

/** The row of an item whose options nobody can read, with the error that says so. */
export function malformed(item: Row): Row {
  const got = String(JSON.stringify(item.options)).slice(0, 80)
  return fail({ id: String(item.id) }, 'eval', 'bad-options', `expected options as a Python list of texts, got ${got}`)
}

/**
 * The pictures in the order in which `<image N>` first mentions them in `texts`, and the texts with N as the place in
 * that order. Pictures that nothing mentions come last.
 */
function inOrder(texts: string[], picture: (n: number) => unknown): { texts: string[]; images: unknown[] } {
  const mentioned = [...texts.join('\n').matchAll(/<image (\d)>/g)].map(match => Number(match[1]))
  const order = [...new Set([...mentioned, 1, 2, 3, 4, 5, 6, 7])].filter(n => picture(n))
  const place = (token: string, n: string) =>
    order.includes(Number(n)) ? `<image ${order.indexOf(Number(n)) + 1}>` : token
  return { texts: texts.map(text => text.replace(/<image (\d)>/g, place)), images: order.map(picture) }
}
