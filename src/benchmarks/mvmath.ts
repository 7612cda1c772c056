/**
 * MV-MATH: 2,009 school problems with two to eight pictures each: 1,109 multiple-choice, 800 with one answer, 100 with
 * an answer for each of several questions. Reads MV-MATH.json of the official repository or of the Hub (pictures in
 * images/), and Parquet with the pictures inside.
 */
import { parts } from '../answers/steps.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'

const PICTURE = /\.(png|jpe?g)$/i

export const mvmath: Benchmark = {
  judge: 'mv-math',
  download:
    'MV-MATH: MV-MATH.json and the pictures (unpacked into images/ beside it) of the data set PeijieWang/MV-MATH',
  hub: 'PeijieWang/MV-MATH',

  /** The whole, or else its three parts; the repository's examples, outputs and testmini are not it. */
  files(names) {
    const held = names.filter(name => !/testmini|example|(^|[/\\])(outputs?|images)[/\\]/i.test(name))
    const whole = held.filter(name => /(^|[/\\])MV-MATH\.jsonl?$/i.test(name))
    if (whole.length > 0) return whole.slice(0, 1)
    return firstFormat(held, ['.parquet', '.jsonl', '.json'])
  },

  /** Archives before files: thousands of single fetches take long. None where Parquet has them inside. */
  pictures(names) {
    if (mvmath.files(names).some(name => name.endsWith('.parquet'))) return []
    const archives = names.filter(name => /\.zip$/i.test(name))
    return archives.length > 0 ? archives : names.filter(name => PICTURE.test(name) && !name.startsWith('assets/'))
  },

  problem({
    problem_id,
    id,
    question,
    input_image,
    options,
    answer,
    answer_type,
    difficulty,
    grade,
    subject,
    ...more
  }) {
    const type = TYPES[String(answer_type)] ?? String(answer_type)
    const images = Array.isArray(input_image) ? input_image.map(picture) : []
    const choices = type === 'choice' ? (Array.isArray(options) ? options : optionsIn(String(question))) : []
    return {
      id: String(problem_id ?? id),
      images,
      question,
      ...(choices.length > 0 && { options: choices }),
      answer: goldOf(answer, type),
      answer_type: type,
      subject,
      level: difficulty,
      grade,
      ...(more.image_relavance !== undefined && { dependent: Number(more.image_relavance) === 1 }), // spelt so there
      source: 'mv-math',
      language: 'en',
    }
  },

  /** {options} stays out: the choices stand in the question, where their pictures are. */
  prompt({ answer_type }) {
    const demand =
      answer_type === 'choice'
        ? 'Exactly one choice is correct. Put its letter, A, B, C or D, in \\boxed{}.'
        : answer_type === 'multi-step'
          ? 'It asks several questions, (1), (2), …. Answer each in turn, and end with one line a question: its number in ' +
            'brackets and its answer in a \\boxed{} of its own, as in "(1) \\boxed{…}".'
          : 'Put the final answer in \\boxed{}.'
    return `Solve this problem, whose pictures are marked in the text in their order, step by step. ${demand}\n{question}`
  },
}

const TYPES: Record<string, string> = {
  choice: 'choice',
  'multi-step': 'multi-step',
  'single-step': 'single-step',
  'free-form': 'single-step', // as the Hub's card has it
}

const picture = (held: unknown) => (typeof held === 'string' && !/[/\\]/.test(held) ? `images/${held}` : held)

/**
 * The answers of the questions in their order; or the forms of one answer, which the official files part by `##`, and
 * two of them by a slash: `$15^{\circ} / 15$ ^{\circ}$` is no quotient.
 */
function goldOf(answer: unknown, type: string): unknown {
  if (type === 'choice' || (typeof answer !== 'string' && typeof answer !== 'number')) return answer
  if (type === 'multi-step') return parts(String(answer))
  const forms = String(answer)
    .split(/\s*(?:\\?#\s*){2}\s*/)
    .map(form => (twice(form) ? form.split('/')[0] : form))
    .map(form => ((form.split('$').length & 1) === 0 ? form.replaceAll('$', '') : form).trim()) // parted inside $…$
  return forms.length === 1 ? forms[0] : forms
}

function twice(form: string): boolean {
  const [first, second, ...more] = form.replace(/\^\{\\circ\}|[$\s]/g, '').split('/')
  return first === second && more.length === 0
}

/** `A. 9,14` on lines of their own, in order; none where a letter is missing. A picture's choice is its mark. */
function optionsIn(question: string): string[] {
  const found = [
    ...question.matchAll(/(?:^|\n)[ \t]*([A-D])[.．、:：][ \t]*([\s\S]*?)(?=\n[ \t]*[A-D][.．、:：]|\s*$)/g),
  ]
  const inOrder = found.length >= 2 && found.every(([, letter], i) => letter === 'ABCD'[i])
  return inOrder ? found.map(([, , text]) => text.trim()) : []
}
