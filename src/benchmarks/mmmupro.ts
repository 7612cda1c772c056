/**
 * MMMU-Pro, vision setting: 1,730 screenshots and photos that hold the question and up to ten options; the text says
 * nothing of them. Relies on the columns of the Hub's MMMU/MMMU_Pro, config vision: id, image, options (a Python list in
 * a string, for judging), answer (a letter), subject. The settings with the question as text are not read.
 */
import { UserError } from '../errors.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'
import { disciplineOf, listOf, malformed } from './mmmu.ts'

export const mmmupro: Benchmark = {
  judge: 'strict',
  hub: 'MMMU/MMMU_Pro',
  download: 'MMMU-Pro: the folder vision/ of the data set MMMU/MMMU_Pro',

  files(names) {
    const tests = names.filter(name => /(^|\/)test(-[^/]*)?\.(jsonl|json|parquet)$/.test(name))
    const vision = tests.filter(name => /(^|\/)vision\//.test(name))
    return firstFormat(vision.length > 0 ? vision : tests.filter(name => !name.includes('/')))
  },

  problem(item, file) {
    if (!item.image && item.image_1)
      throw new UserError(`${file}: expected items of the vision setting, which have image, got those with image_1`)
    const options = listOf(item.options)
    if (options === null || options.length === 0) return malformed(item)
    const subject = String(item.subject)
    return {
      id: String(item.id),
      images: item.image ? [item.image] : [],
      question: 'The image holds a multiple-choice question with its options.',
      options,
      answer: item.answer,
      answer_type: 'choice',
      subject,
      category: disciplineOf(subject),
      source: 'mmmu-pro',
      language: 'en',
    }
  },

  /** What the official prompt with reasoning asks. The options are in the picture. */
  prompt: () =>
    '{question} Write the question out, think it through step by step and solve it. ' +
    'Let the last line be "Answer: LETTER", where LETTER is the letter of the right option.',
}
