/**
 * Loss scaling: in float16 small gradients are zero, so the loss is multiplied by a number that lifts them, and the sums
 * are divided by it again (Micikevicius et al. 2018, arXiv 1710.03740). The number finds itself, as in PyTorch's
 * GradScaler and with its settings: a step whose gradient overflows is skipped and halves it, many good steps in a row
 * double it. All are powers of two, so scaling itself rounds nothing. It is part of the checkpoint.
 */

export interface Scaler {
  scale: number
  /** Steps since it last changed. */
  good: number
  /** Steps that were skipped: AdamW does not count them. */
  skipped: number
}

/** Good steps in a row after which the scale doubles. */
const PATIENCE = 2000

export const freshScaler = (scale = 2 ** 16): Scaler => ({ scale, good: 0, skipped: 0 })

/** Steps after which the scale will be another, if all of them are good. */
export const steadyFor = ({ good }: Scaler): number => PATIENCE - good

/** Takes note of a step that was taken. */
export function kept(scaler: Scaler): void {
  if (++scaler.good < PATIENCE) return
  scaler.scale *= 2
  scaler.good = 0
}

/** Takes note of a gradient that was no number. @returns whether a smaller scale may help; if not, nothing has changed */
export function overflowed(scaler: Scaler): boolean {
  if (scaler.scale <= 1) return false
  scaler.scale /= 2
  scaler.good = 0
  scaler.skipped++
  return true
}
