/**
 * The Parquet schema of JSON rows: found by looking at all of them, since a column has one type for the whole file.
 * What has no common type (numbers here, texts there) is kept as JSON text, which readers turn back.
 */
import type { SchemaElement } from 'hyparquet'

/** What a column holds. `nothing`: only nulls so far. */
export type Shape =
  | { kind: 'nothing' | 'boolean' | 'integer' | 'number' | 'text' | 'bytes' | 'json' }
  | { kind: 'list'; of: Shape }
  | { kind: 'struct'; fields: Map<string, Shape> }

const nothing: Shape = { kind: 'nothing' }

/** The shape of one JSON value. */
export function shapeOf(value: unknown, key = '', owner?: object): Shape {
  if (value === null || value === undefined) return nothing
  if (typeof value === 'boolean') return { kind: 'boolean' }
  if (typeof value === 'number') return { kind: Number.isSafeInteger(value) ? 'integer' : 'number' }
  if (typeof value === 'string') {
    // {bytes, path} is Hugging Face's picture, its bytes as base64 (see row.ts).
    const picture = key === 'bytes' && owner && 'path' in owner && Object.keys(owner).length === 2
    return { kind: picture ? 'bytes' : 'text' }
  }
  if (Array.isArray(value)) return { kind: 'list', of: value.map(held => shapeOf(held)).reduce(join, nothing) }
  const entries = Object.entries(value as object)
  if (entries.length === 1 && entries[0][0] === '$base64') return { kind: 'bytes' }
  if (entries.length === 0) return { kind: 'json' } // a group needs a child
  return { kind: 'struct', fields: new Map(entries.map(([k, held]) => [k, shapeOf(held, k, value as object)])) }
}

/** The shape that holds both. */
export function join(a: Shape, b: Shape): Shape {
  if (a.kind === 'nothing') return b
  if (b.kind === 'nothing') return a
  if (a.kind === 'list' && b.kind === 'list') return { kind: 'list', of: join(a.of, b.of) }
  if (a.kind === 'struct' && b.kind === 'struct') {
    const fields = new Map(a.fields)
    for (const [key, shape] of b.fields) fields.set(key, join(fields.get(key) ?? nothing, shape))
    return { kind: 'struct', fields }
  }
  if (a.kind === b.kind) return a
  const kinds = [a.kind, b.kind]
  if (kinds.includes('integer') && kinds.includes('number')) return { kind: 'number' }
  return { kind: 'json' }
}

/** The schema's elements for a column, depth first, as Parquet has them. Lists in three levels, as pyarrow does. */
export function elements(name: string, shape: Shape): SchemaElement[] {
  const optional = { name, repetition_type: 'OPTIONAL' } as const
  switch (shape.kind) {
    case 'boolean':
      return [{ ...optional, type: 'BOOLEAN' }]
    case 'integer':
      return [{ ...optional, type: 'INT64' }]
    case 'number':
      return [{ ...optional, type: 'DOUBLE' }]
    case 'bytes':
      return [{ ...optional, type: 'BYTE_ARRAY' }]
    case 'text':
    case 'nothing':
      return [{ ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } }]
    case 'json':
      return [{ ...optional, type: 'BYTE_ARRAY', converted_type: 'JSON', logical_type: { type: 'JSON' } }]
    case 'list':
      return [
        { ...optional, num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        ...elements('element', shape.of),
      ]
    case 'struct':
      return [
        { ...optional, num_children: shape.fields.size },
        ...[...shape.fields].flatMap(([key, held]) => elements(key, held)),
      ]
  }
}

/** A JSON value as the writer wants it in a column of `shape`. */
export function fit(value: unknown, shape: Shape): unknown {
  if (value === null || value === undefined) return null
  switch (shape.kind) {
    case 'integer':
      return BigInt(value as number)
    case 'bytes':
      return Buffer.from(typeof value === 'string' ? value : (value as { $base64: string }).$base64, 'base64')
    case 'list':
      return (value as unknown[]).map(held => fit(held, shape.of))
    case 'struct': {
      const held = value as Record<string, unknown>
      return Object.fromEntries([...shape.fields].map(([key, inner]) => [key, fit(held[key], inner)]))
    }
    default:
      return value
  }
}
