/**
 * DynaMath: 501 seed questions, each a program that draws variants of itself; the published sample has 10 of each. Reads
 * the Hub's Parquet, a file a variant, and the official repository's dataset.json. A problem is one variant; its `group`
 * is the seed, for the worst case: a seed counts where all its variants are right.
 */
import { dirname, join } from 'node:path'
import { type Benchmark, firstFormat } from './benchmark.ts'

/** sample3-00000-of-00003.parquet or sample_variant3-…, and the repository's trial3/dataset.json. */
const VARIANT = /(?:^|[/\\])(?:sample(?:_variant)?|trial)(10|[1-9])(?:-[^/\\]*)?(?:\.parquet|[/\\][^/\\]+)$/

export const dynamath: Benchmark = {
  judge: 'dynamath',
  download:
    'DynaMath: the data set DynaMath/DynaMath_Sample, or dataset.json and image/ of github.com/DynaMath/DynaMath (one variant)',
  hub: 'DynaMath/DynaMath_Sample',

  /** All variants, or else the one that the repository's `dataset/` holds. */
  files(names) {
    const variants = firstFormat(
      names.filter(name => VARIANT.test(name)),
      ['.parquet', 'dataset.json'],
    )
    if (variants.length > 0) return variants.sort((a, b) => variantOf(a) - variantOf(b) || (a < b ? -1 : 1))
    return names.filter(name => /(^|[/\\])dataset\.json$/.test(name)).slice(0, 1)
  },

  problem(
    { id, question, image, decoded_image, ground_truth, answer, answer_type, subject, knowledge_level, level },
    file,
  ) {
    const variant = variantOf(file)
    const picture = decoded_image ?? (typeof image === 'string' ? join(dirname(file), image) : image)
    return {
      id: variant ? `${id}/${variant}` : String(id),
      group: String(id),
      ...(variant && { variant }),
      images: picture === undefined || picture === null ? [] : [picture],
      question,
      answer: ground_truth ?? answer,
      answer_type,
      subject: String(subject).replace(/\s+/g, ' '), // one item has it as `analytic     geometry`
      level: knowledge_level ?? level,
      source: 'dynamath',
      language: 'en',
    }
  },

  /** The official prompt's demands, with a box in place of its JSON's short answer. */
  prompt({ answer_type }) {
    const type = String(answer_type)
    const form =
      type === 'multiple choice'
        ? "the letter of the choice alone, such as 'A', 'B', 'C' or 'D'"
        : /^(float|int)$/.test(type)
          ? 'a floating-point number with three digits after the point'
          : 'a short answer in the form that the question asks for, numbers with three digits after the point'
    return (
      '## Question\n{question}\n\n## How to answer\nSolve it step by step. Then put the short answer, and nothing else, ' +
      `in \\boxed{}: ${form}.`
    )
  },
}

/** 1 … 10; 0 where the file does not say it. */
function variantOf(file: string): number {
  return Number(VARIANT.exec(file)?.[1] ?? 0)
}
