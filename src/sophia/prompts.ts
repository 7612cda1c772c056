/**
 * What the models are told. A template has {question}, {caption} and {options} in it; {options} becomes nothing, or a
 * line for each option. A model folder's prompts.json goes before these defaults, and --prompt FILE before both. The
 * wording is ours; what each prompt has to achieve is the paper's (x^d, x̂^q and the slow-thinking system prompt).
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { IMAGE_MARK } from '../io/images.ts'
import { questionOf, type Row } from './rows.ts'

export interface Prompts {
  /** x^d: describe the picture. Never holds the question, or the captioner could answer it and its reward be hacked. */
  caption: string
  /** Turns question and caption into x̂^q: think slowly, as one who sees. */
  reason: string
  /** Asks the policy the question itself; used by train and eval, beside the picture. */
  answer: string
  /** The slow-thinking system prompt, for trajectories that think inside <think> and always at inference. */
  system: string
}

export const defaults: Prompts = {
  caption: `Describe this image so fully that someone who cannot see it could draw it again and answer any question about it.

Go from the foreground to the background and leave nothing out:
- Copy out all text, numbers, symbols and formulas exactly as they stand, and say where each stands.
- Name every object, figure, mark and person, with position, size, colour, shape and how it stands to its neighbours.
- For a diagram: every point, line, angle and label; whether a line is solid, dashed or dotted; where arrows start and end; which nodes are linked.
- For a chart or table: title, axes, units, legend, and every value, point by point or cell by cell.
- For people: what they look like, what they wear, what they do.

Say only what can be seen. Do not guess, do not explain and do not solve anything.`,

  reason: `You will be given a question about an image and visual information taken from that image. Answer as someone who is looking at the image.

How to answer:
- Think step by step and aloud. When you need a fact, look at the image for it ("Looking at the image, …"), and look back at it to check yourself before you conclude.
- Always say "the image". Never mention a description, a caption or visual information, and never say that you cannot see.
- If the image does not settle something, say what you see and choose the likeliest reading.
- When you notice that you go round in circles or check the same thing again, stop thinking and conclude.
- End with the final answer inside \\boxed{}. For a multiple-choice question put only the letter there.

An example.

Question:
How many more red balls than blue balls are there?
Visual information:
A wooden box seen from above. Inside are three red balls in a row at the left, one blue ball at the right, and a green cube in the middle.
Response:
The question asks for a difference, so I need both counts. Looking at the image, at the left of the box I see a row of red balls: one, two, three. At the right there is a single blue ball. The thing in the middle is green, and it is a cube, so it counts for neither. Let me look at the image once more to be sure that no ball hides behind the cube: no, I still see three red ones and one blue one. The difference is 3 - 1 = 2.

\\boxed{2}

Now the real one.

Question:
{question}{options}
Visual information:
{caption}
Response:
`,

  answer: `{question}{options}

Think it through, then put the final answer inside \\boxed{}.`,

  system: `You are a mathematician of long experience who reads images as carefully as formulas. You would rather think for long than answer wrongly.

Work like this:
1. Understand. Say in your own words what is given, what is asked and which conditions hold. Read off the image whatever bears on it: labels, lengths, angles, counts, values.
2. Look from several sides. Think of more than one way in (algebra, geometry, counting, a special case, working backwards) and weigh them.
3. Plan. Choose a way and lay out its steps before you take them.
4. Work with rigour. Justify every step, calculate exactly, and go back to the image whenever a step rests on it. When something does not fit, say so and try another way.
5. Verify. Test the result against every condition, with another method or by putting it in, and look at the image again.

Think inside <think> and </think>. After that give a clear solution for the reader, and the final answer inside \\boxed{}. Write in the language in which you were asked. Spend your words on what is hard: stop when the answer is certain, and keep the whole within the length that you are allowed.`,
}

/** The prompts for `model`: its own where it is a folder with a prompts.json, else the defaults. */
export function promptsFor(model: string): Prompts {
  const path = join(model, 'prompts.json')
  if (!existsSync(path)) return defaults
  let own: unknown
  try {
    own = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UserError(`${path}: expected JSON: ${(error as Error).message}`)
  }
  for (const [key, text] of Object.entries(own as object)) {
    if (!(key in defaults) || typeof text !== 'string')
      throw new UserError(
        `${path}: expected texts under ${Object.keys(defaults).join(', ')}, got ${key}: ${typeof text}`,
      )
  }
  return { ...defaults, ...(own as Partial<Prompts>) }
}

/** The template in `path`, as it stands there less its last newline. */
export function templateFrom(path: string): string {
  if (!existsSync(path)) throw new UserError(`--prompt ${path}: no such file`, 2)
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
}

/** @throws UserError if the caption prompt would show the question. */
export function checkCaptionPrompt(template: string): string {
  const shown = /\{(question|options|caption)\}/.exec(template)
  if (shown)
    throw new UserError(
      `the caption prompt has ${shown[0]} in it: a captioner that sees the question may answer it, and its reward means nothing`,
      2,
    )
  return template
}

/** The template with the row's question and options, and `caption`, put in. What is put in is not looked at again. */
export function fill(template: string, row: Row, caption = ''): string {
  const question = questionOf(row).replace(IMAGE_MARK, '')
  const values: Record<string, string> = { question, options: optionLines(row.options), caption }
  return template.replace(/\{(question|options|caption)\}/g, (_, name: string) => values[name])
}

/** "\n(A) …\n(B) …"; empty without options, or where they are only the letters of marks in the picture. */
export function optionLines(options: unknown): string {
  if (!Array.isArray(options) || options.length === 0) return ''
  const letter = (i: number) => String.fromCharCode(65 + i)
  if (options.every((option, i) => String(option).trim() === letter(i))) return ''
  return options.map((option, i) => `\n(${letter(i)}) ${option}`).join('')
}
