/**
 * The part of ONNX's protobuf schema that we read and write (onnx.proto, IR version 10), in protobufjs' JSON form. What
 * else comes as protobuf describes its messages by `message` as well.
 */

import protobuf from 'protobufjs'

type Field = [name: string, id: number, type: string, repeated?: 'repeated']

export const message = (...fields: Field[]) => ({
  fields: Object.fromEntries(fields.map(([name, id, type, rule]) => [name, { id, type, ...(rule && { rule }) }])),
})

/** One of several messages that refer to each other by name. `proto2` tells what is absent from what is false or 0. */
export function messageType(messages: Record<string, ReturnType<typeof message>>, name: string, edition?: 'proto2') {
  const nested = Object.entries(messages).map(([key, held]) => [key, { ...held, ...(edition && { edition }) }])
  return protobuf.Root.fromJSON({ nested: Object.fromEntries(nested) }).lookupType(name)
}

const SCHEMA = {
  Model: message(
    ['irVersion', 1, 'int64'],
    ['producerName', 2, 'string'],
    ['producerVersion', 3, 'string'],
    ['graph', 7, 'Graph'],
    ['opsetImport', 8, 'OperatorSet', 'repeated'],
    ['metadataProps', 14, 'Entry', 'repeated'],
    ['functions', 25, 'bytes', 'repeated'],
  ),
  OperatorSet: message(['domain', 1, 'string'], ['version', 2, 'int64']),
  Entry: message(['key', 1, 'string'], ['value', 2, 'string']),
  Graph: message(
    ['node', 1, 'Node', 'repeated'],
    ['name', 2, 'string'],
    ['initializer', 5, 'Tensor', 'repeated'],
    ['input', 11, 'Value', 'repeated'],
    ['output', 12, 'Value', 'repeated'],
    ['valueInfo', 13, 'Value', 'repeated'],
  ),
  Node: message(
    ['input', 1, 'string', 'repeated'],
    ['output', 2, 'string', 'repeated'],
    ['name', 3, 'string'],
    ['opType', 4, 'string'],
    ['attribute', 5, 'Attribute', 'repeated'],
    ['domain', 7, 'string'],
    ['metadataProps', 9, 'Entry', 'repeated'],
  ),
  Attribute: message(
    ['name', 1, 'string'],
    ['f', 2, 'float'],
    ['i', 3, 'int64'],
    ['s', 4, 'bytes'],
    ['t', 5, 'Tensor'],
    ['g', 6, 'Graph'],
    ['floats', 7, 'float', 'repeated'],
    ['ints', 8, 'int64', 'repeated'],
    ['strings', 9, 'bytes', 'repeated'],
    ['type', 20, 'int32'],
  ),
  Tensor: message(
    ['dims', 1, 'int64', 'repeated'],
    ['dataType', 2, 'int32'],
    ['floatData', 4, 'float', 'repeated'],
    ['int32Data', 5, 'int32', 'repeated'],
    ['int64Data', 7, 'int64', 'repeated'],
    ['name', 8, 'string'],
    ['rawData', 9, 'bytes'],
    ['doubleData', 10, 'double', 'repeated'],
    ['externalData', 13, 'Entry', 'repeated'],
    ['dataLocation', 14, 'int32'],
  ),
  Value: message(['name', 1, 'string'], ['type', 2, 'Type']),
  Type: message(['tensorType', 1, 'TensorType'], ['sequenceType', 4, 'SequenceType']),
  SequenceType: message(['elemType', 1, 'Type']),
  TensorType: message(['elemType', 1, 'int32'], ['shape', 2, 'Shape']),
  Shape: message(['dim', 1, 'Dimension', 'repeated']),
  Dimension: message(['dimValue', 1, 'int64'], ['dimParam', 2, 'string']),
}

export const ModelProto = messageType(SCHEMA, 'Model')

type Int64 = number | { toNumber(): number }

export interface EntryProto {
  key: string
  value: string
}
export interface TensorProto {
  dims?: Int64[]
  dataType: number
  floatData?: number[]
  int32Data?: number[]
  int64Data?: Int64[]
  doubleData?: number[]
  name?: string
  rawData?: Uint8Array
  externalData?: EntryProto[]
  dataLocation?: number
}
export interface AttributeProto {
  name: string
  type: number
  f?: number
  i?: Int64
  s?: Uint8Array
  t?: TensorProto
  g?: GraphProto
  floats?: number[]
  ints?: Int64[]
  strings?: Uint8Array[]
}
export interface NodeProto {
  input?: string[]
  output?: string[]
  name?: string
  opType: string
  attribute?: AttributeProto[]
  domain?: string
  metadataProps?: EntryProto[]
}
export interface TypeProto {
  tensorType?: { elemType: number; shape?: { dim?: { dimValue?: Int64; dimParam?: string }[] } }
  sequenceType?: { elemType: TypeProto }
}
export interface ValueProto {
  name: string
  type?: TypeProto
}
export interface GraphProto {
  node?: NodeProto[]
  name?: string
  initializer?: TensorProto[]
  input?: ValueProto[]
  output?: ValueProto[]
  valueInfo?: ValueProto[]
}
export interface ModelMessage {
  irVersion: number
  producerName?: string
  graph: GraphProto
  opsetImport: { domain?: string; version: Int64 }[]
  metadataProps?: EntryProto[]
  functions?: Uint8Array[]
}

/** ONNX's AttributeProto.AttributeType. */
export const ATTRIBUTE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 } as const

export const number = (value: Int64 | undefined): number =>
  typeof value === 'object' ? value.toNumber() : (value ?? 0)
