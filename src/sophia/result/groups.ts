/** What results are broken down by: keys that the problem has, and two that are read out of it. */
import { modalityOf } from '../../io/images.ts'
import type { Row } from '../rows.ts'

/** In the order of the table. `area` and `modality` are derived where the problem does not have them. */
export const GROUPS = [
  'subset',
  'subject',
  'area',
  'subfield',
  'level',
  'language',
  'modality',
  'answer_type',
  'source',
] as const
export type GroupKey = (typeof GROUPS)[number]

/** The groups that a problem is in, by key. */
export function groupsOf(row: Row): Partial<Record<GroupKey, string>> {
  const found: Partial<Record<GroupKey, string>> = {}
  const derived: Row = { area: areaOf(row), modality: modalityOf(row) }
  for (const key of GROUPS) {
    const value = row[key] ?? derived[key]
    if (value !== undefined && value !== null && value !== '') found[key] = String(value)
  }
  return found
}

/** Geometry or not, as the paper splits MathVision's subjects: by what the subject or the subfield is called. */
function areaOf({ subject, subfield }: Row): string | undefined {
  const names = [subject, subfield].filter(name => typeof name === 'string')
  if (names.length === 0) return undefined
  return names.some(name => /geometr|几何/i.test(name)) ? 'geometry' : 'other'
}

/** Groups by the natural order of their names: level 2 before level 10. */
export const byName = ([a]: [string, unknown], [b]: [string, unknown]) => a.localeCompare(b, 'en', { numeric: true })

/** The items by their key, in their order; those without one are left out. */
export function grouped<T>(items: T[], keyOf: (item: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    if (key === undefined) continue
    const held = groups.get(key)
    if (held) held.push(item)
    else groups.set(key, [item])
  }
  return groups
}
