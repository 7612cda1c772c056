/**
 * OlympiadBench: 6,728 open-ended problems of mathematics and physics, English and Chinese, with and without pictures.
 * Reads data/OE_*.json of the official repository and the Hub's Parquet. Theorem proofs (TP_*), which nobody can score
 * by rule, are left out.
 */
import type { Row } from '../io/row.ts'
import { type Benchmark, firstFormat } from './benchmark.ts'

/** A subset's name, which says what the items do not: modality, subject, language, level. */
const SUBSET = /(OE|TP)_(MM|TO)_(maths|physics)_(en|zh)_(COMP|CEE)/g

const subsetOf = (path: string) => [...path.matchAll(SUBSET)].at(-1)

export const olympiadbench: Benchmark = {
  judge: 'olympiadbench',
  denominator: 'answered',
  download:
    'OlympiadBench: data/OE_*.json and images/ of github.com/OpenBMB/OlympiadBench, or the data set Hothan/OlympiadBench',
  hub: 'Hothan/OlympiadBench',

  files: names => firstFormat(names.filter(name => subsetOf(name)?.[1] === 'OE')),

  problem(item, file) {
    const subset = subsetOf(file)
    const proof = subset?.[1] === 'TP' || /theorem/i.test(String(item.question_type ?? ''))
    if (proof) return undefined
    const physics = subset ? subset[3] === 'physics' : /^phys/i.test(String(item.subject))
    const chinese = subset ? subset[4] === 'zh' : /^(zh|chinese)/i.test(String(item.language))
    const context = physics && typeof item.context === 'string' && item.context !== '' ? `${item.context}\n` : ''
    const question = `${context}${item.question ?? ''}`
    return {
      id: String(item.id),
      ...(subset && { subset: subset[0] }),
      images: picturesOf(item, question),
      question,
      answer: item.final_answer,
      answer_type: item.answer_type,
      is_multiple_answer: item.is_multiple_answer === true,
      ...(item.unit ? { unit: item.unit } : {}),
      ...(item.error ? { tolerance: item.error } : {}),
      subject: physics ? 'physics' : 'maths',
      subfield: item.subfield,
      ...(subset && { level: subset[5] }),
      source: 'olympiadbench',
      language: chinese ? 'zh' : 'en',
    }
  },

  /** What has to be in it is the official prompt's: the sentence that the judge looks for, and units outside the box. */
  prompt(problem) {
    const { unit, language, subject, is_multiple_answer: several } = problem
    const types = typesOf(problem)
    if (language === 'zh') {
      const names = types.map(type => TYPES[type].zh)
      const kind = names.length === 0 ? '' : `${several ? '答案不止一个，类型' : '答案类型'}为${names.join('、')}。`
      const box = `\\boxed{${several ? '各个答案，以英文逗号隔开' : '答案'}}${unit ? '(单位)' : ''}`
      return (
        `下面是一道中国${subject === 'physics' ? '物理' : '数学'}竞赛的解答题。${kind}请根据题中的要求和信息求出答案，` +
        `变量与公式用LaTeX书写。最后请以“所以最终答案是${box}。”明确写出结果${unit ? '，单位不要写进\\boxed{}里' : ''}。\n{question}`
      )
    }
    const names = types.map(type => TYPES[type].en).join(', ')
    const kind =
      names === '' ? '' : several ? `It has several answers, of the kind: ${names}. ` : `Its answer is ${names}. `
    const box = `\\boxed{${several ? 'the answers, separated by commas' : 'answer'}}${unit ? '(unit)' : ''}`
    return (
      `Below is an open-ended problem from an international ${subject === 'physics' ? 'physics' : 'mathematics'} ` +
      `competition. ${kind}Work the answer out from what is asked and given. Write variables and formulas in LaTeX. ` +
      `End with "So the final answer is ${box}." to state the result` +
      `${unit ? ', and keep the unit out of the \\boxed{}' : ''}.\n{question}`
    )
  },
}

const TYPES: Record<string, { en: string; zh: string }> = {
  Numerical: { en: 'a numerical value', zh: '数值' },
  Expression: { en: 'an expression', zh: '表达式' },
  Equation: { en: 'an equation', zh: '方程' },
  Interval: { en: 'an interval', zh: '区间' },
}

/** The kinds of answer to name, each once where all are one; none for tuples, whose name would mislead. */
function typesOf({ answer_type }: Row): string[] {
  const types = String(answer_type ?? '').split(',')
  const named = types.map(type => Object.keys(TYPES).find(name => type.includes(name)))
  if (!named.every(name => name !== undefined)) return []
  return new Set(named).size === 1 ? [named[0]] : named
}

/** The Hub's image_1 … image_9, or the files that <img_N> in the question name, each once. */
function picturesOf(item: Row, question: string): unknown[] {
  const held = Array.from({ length: 9 }, (_, i) => item[`image_${i + 1}`]).filter(image => image)
  if (held.length > 0) return held
  const names = [...question.matchAll(/<(img_\d+)>/g)].map(match => match[1])
  return [...new Set(names)].map(name => `images/${name}.jpg`)
}
