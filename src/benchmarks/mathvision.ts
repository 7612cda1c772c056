/**
 * MathVision (MATH-V): 3,040 competition problems with pictures, 16 subjects, levels 1 to 5. Reads data/*.jsonl of the
 * official repository and the Hub's Parquet. A folder means its full test split, or else testmini; a file, that file.
 */
import type { Row } from '../io/row.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'

export const mathvision: Benchmark = {
  judge: 'mathvision',
  download: 'MathVision: data/test.jsonl and images/ of github.com/mathllm/MATH-V, or the data set MathLLMs/MathVision',
  hub: 'MathLLMs/MathVision',

  files(names) {
    for (const split of ['test', 'testmini']) {
      const found = firstFormat(
        names.filter(name => new RegExp(`(^|/)${split}(-[^/]*)?\\.(jsonl|parquet)$`).test(name)),
      )
      if (found.length > 0) return found
    }
    return []
  },

  /** All pictures of an item are in one merged image, which the leaderboard uses. */
  problem({ id, question, options, answer, level, subject, image, decoded_image }): Row {
    const choices = Array.isArray(options) && options.length > 0
    const picture = decoded_image ?? image
    return {
      id: String(id),
      images: picture === undefined || picture === null ? [] : [picture],
      question,
      ...(choices && { options }),
      answer,
      answer_type: choices ? 'choice' : 'free',
      subject,
      level: Number(level),
      source: 'mathvision',
      language: 'en',
    }
  },

  prompt: () =>
    'Work the problem out step by step and give the answer in a single \\boxed{}. ' +
    'If it is a multiple-choice question, only one letter may stand in the \\boxed{}.\n{question}{options}',
}
