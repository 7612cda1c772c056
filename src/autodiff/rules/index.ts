/** The table: operator → how its gradient is made. Read the files beside this one; each rule is a few lines. */

import { BLOCKS } from './blocks.ts'
import { CONV } from './conv.ts'
import { ELEMENTWISE } from './elementwise.ts'
import { GATHER } from './gather.ts'
import { MATMUL } from './matmul.ts'
import { NORMALIZE } from './normalize.ts'
import { PARTITION } from './partition.ts'
import { PICTURES } from './pictures.ts'
import { QUANTIZED } from './quantized.ts'
import { REDUCE } from './reduce.ts'
import { SHAPE } from './shape.ts'
import type { Rule } from './site.ts'

export const RULES: Readonly<Record<string, Rule>> = {
  ...ELEMENTWISE,
  ...MATMUL,
  ...CONV,
  ...SHAPE,
  ...REDUCE,
  ...NORMALIZE,
  ...GATHER,
  ...QUANTIZED,
  ...BLOCKS,
  ...PARTITION,
  ...PICTURES,
}
