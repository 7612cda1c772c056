/**
 * What the policy learns (Eq. 7): the gradient of J is E_D[ R(x,v,y) Σ_l ∇ log π(y_l | y_<l, x, v) ], so training
 * minimizes, over the rows of an optimizer step,
 *
 *   loss = − Σ_i R_i Σ_l log π(y_il | y_i<l, x_i, v_i)  /  Σ_i R_i L_i
 *
 * with R_i the credit of row i (Eq. 6) and L_i the tokens of its trajectory, its end included. With R in {0, 1} this is
 * the mean negative log-likelihood of the rewarded tokens. The trajectories are the reasoner's and the importance ratio
 * is taken as 1 (Lemma A.3); there is no KL term. The policy sees picture and question, never the caption, and is asked
 * as `eval` asks it.
 */
import { imageReferences } from '../io/images.ts'
import type { Example } from '../train/rows.ts'
import { asked } from './evaluate.ts'
import type { Prompts } from './prompts.ts'
import { type Credit, idOf, questionOf, type Row, type Trajectory, type Verdict } from './rows.ts'

/** The slow-thinking system prompt goes with trajectories that think inside these; others have the model's default. */
const THINKING = /<think>/

/** What one row teaches; undefined for rows in another form than SOPHIA's. */
export function exampleOf(row: Row, { answer, system }: Pick<Prompts, 'answer' | 'system'>): Example | undefined {
  const trajectory = row.trajectory as Trajectory | string | null | undefined
  const text = typeof trajectory === 'string' ? trajectory : trajectory?.text
  if (typeof text !== 'string' || questionOf(row) === '') return undefined
  const images = imageReferences(row)
  const messages = asked(row, images.length, { prompt: answer, system: THINKING.test(text) ? system : '' })
  return { id: idOf(row), messages: [...messages, { role: 'assistant', text }], images, weight: rewardOf(row) }
}

/** R_i: the row's credit; where there is none, its verdict's reward, its own `reward` or `weight`; else 1. */
function rewardOf(row: Row): number {
  const [credit, verdict] = [row.credit as Credit | null | undefined, row.verdict as Verdict | null | undefined]
  return Number(credit?.reward ?? verdict?.reward ?? row.reward ?? row.weight ?? 1)
}

/** What each token of row i weighs in the loss: R_i / Σ_j R_j L_j. */
export function tokenWeights(rewards: number[], lengths: number[]): number[] {
  const whole = rewards.reduce((sum, reward, i) => sum + reward * lengths[i], 0)
  return rewards.map(reward => reward / whole)
}
