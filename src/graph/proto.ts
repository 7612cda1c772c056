/**
 * ONNX files to graphs and back. Weights stay where they are: an external initializer is read as (file, offset,
 * length) and written as that again. Types come from our own inference; where it knows less than the file's
 * `value_info` says, the file is believed.
 */

import { UserError } from '../errors.ts'
import { inferNode } from './infer.ts'
import { tensorIntegers } from './integers.ts'
import {
  type Attribute,
  bytesOf,
  type Dim,
  DTYPE_CODES,
  type DType,
  dtypeOf,
  Float,
  Graph,
  type Model,
  type Node,
  OPSETS,
  type Tensor,
  type TensorType,
} from './ir.ts'
import {
  ATTRIBUTE,
  type AttributeProto,
  type GraphProto,
  type ModelMessage,
  ModelProto,
  type NodeProto,
  number,
  type TensorProto,
  type ValueProto,
} from './schema.ts'

const text = new TextDecoder()

/** Reads a serialized ModelProto. Throws where it uses what the IR leaves out (model-local functions, maps). */
export function readModel(bytes: Uint8Array): Model {
  const message = ModelProto.decode(bytes) as unknown as ModelMessage
  if (message.functions?.length) throw new Error('ONNX models with local functions are not supported')
  return {
    graph: readGraph(message.graph),
    opsets: Object.fromEntries(message.opsetImport.map(({ domain, version }) => [domain ?? '', number(version)])),
    metadata: Object.fromEntries((message.metadataProps ?? []).map(({ key, value }) => [key, value])),
  }
}

/** Serializes a model. Initializers with `data` are written inline, the others as external data. */
export function writeModel({ graph, opsets, metadata }: Model): Uint8Array {
  const message: ModelMessage = {
    irVersion: 10,
    producerName: 'sophia',
    graph: writeGraph(graph),
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  }
  return ModelProto.encode(ModelProto.fromObject(message)).finish()
}

/** A model of our own around a graph that we built. */
export const modelOf = (graph: Graph, metadata: Record<string, string> = {}): Model => ({
  graph,
  opsets: OPSETS,
  metadata,
})

function readGraph(proto: GraphProto, parent?: Graph): Graph {
  const graph = new Graph(proto.name || 'graph', parent)
  for (const tensor of proto.initializer ?? []) {
    const weight = readTensor(tensor)
    graph.weight(tensor.name!, weight)
    const integers = tensorIntegers(weight)
    if (integers && weight.shape.length < 2) graph.known.set(tensor.name!, integers)
  }
  for (const value of proto.input ?? []) {
    if (graph.initializers.has(value.name)) continue
    graph.inputs.push(value.name)
    graph.types.set(value.name, readType(value))
  }
  const declared = new Map([...(proto.valueInfo ?? []), ...(proto.output ?? [])].map(value => [value.name, value]))
  for (const nodeProto of ordered(proto.node ?? [])) {
    const node = readNode(nodeProto, graph)
    inferNode(graph, node)
    graph.nodes.push(node)
    for (const output of node.outputs) {
      const value = declared.get(output)
      if (value?.type?.tensorType && !graph.types.get(output)?.shape) graph.types.set(output, readType(value))
    }
  }
  graph.outputs = (proto.output ?? []).map(value => value.name)
  return graph
}

/** Makers before readers: some tools append nodes that others read, which ONNX Runtime lets pass. */
function ordered(nodes: NodeProto[]): NodeProto[] {
  const makers = new Map(nodes.flatMap(node => (node.output ?? []).filter(Boolean).map(name => [name, node] as const)))
  const placed = new Set<NodeProto>()
  const order: NodeProto[] = []
  for (const start of nodes) {
    const stack = [start]
    while (stack.length > 0) {
      const node = stack.at(-1)!
      const missing = placed.has(node)
        ? undefined
        : needs(node).map(input => makers.get(input)).find(maker => maker && maker !== node && !placed.has(maker)) // biome-ignore format: one thought
      if (missing) {
        if (stack.includes(missing)) throw new Error(`ONNX graph: node ${missing.name} depends on itself`)
        stack.push(missing)
        continue
      }
      if (!placed.has(node)) order.push(node)
      placed.add(node)
      stack.pop()
    }
  }
  return order
}

/** What a node reads, its subgraphs too. */
const needs = ({ input = [], attribute = [] }: NodeProto): string[] => [
  ...input,
  ...attribute.flatMap(({ g }) => [...(g?.node ?? []).flatMap(needs), ...(g?.output ?? []).map(({ name }) => name)]),
]

function readType({ name, type }: ValueProto): TensorType {
  const elements = type?.sequenceType?.elemType.tensorType
  if (elements) return { dtype: dtypeOf(elements.elemType), sequence: true }
  if (!type?.tensorType) throw new UserError(`ONNX value ${name}: expected a tensor or a sequence of tensors, got a map or the like, which is not supported. Take another export, or the checkpoint`) // biome-ignore format: one thought
  const { elemType, shape } = type.tensorType
  if (!shape) return { dtype: dtypeOf(elemType) } // of whatever rank
  const dims = (shape.dim ?? []).map(({ dimValue, dimParam }, i) => dimParam || number(dimValue) || `${name}.${i}`)
  return { dtype: dtypeOf(elemType), shape: dims }
}

function readNode(proto: NodeProto, graph: Graph): Node {
  return {
    op: proto.opType,
    domain: proto.domain === 'ai.onnx' ? '' : (proto.domain ?? ''),
    name: inModule(proto) ?? (proto.name || graph.fresh(proto.opType)),
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attrs: Object.fromEntries((proto.attribute ?? []).map(a => [a.name, readAttribute(a, graph)])),
  }
}

/** PyTorch's newer exporter numbers its nodes, and tells beside them in what modules they are: as the older one names them. */
function inModule({ name, opType, metadataProps }: NodeProto): string | undefined {
  const scopes = metadataProps?.find(({ key }) => key === 'pkg.torch.onnx.name_scopes')?.value
  const module = scopes && [...scopes.matchAll(/'([^']*)'/g)].at(-2)?.[1]
  return module && `/${module}/${opType}_${name}`
}

function readAttribute(proto: AttributeProto, graph: Graph): Attribute {
  switch (proto.type) {
    case ATTRIBUTE.float:
      return new Float(proto.f ?? 0)
    case ATTRIBUTE.int:
      return number(proto.i)
    case ATTRIBUTE.string:
      return text.decode(proto.s)
    case ATTRIBUTE.tensor:
      return readTensor(proto.t!)
    case ATTRIBUTE.graph:
      return readGraph(proto.g!, graph)
    case ATTRIBUTE.floats:
      return Float32Array.from(proto.floats ?? [])
    case ATTRIBUTE.ints:
      return (proto.ints ?? []).map(number)
    case ATTRIBUTE.strings:
      return (proto.strings ?? []).map(s => text.decode(s))
    default:
      throw new Error(`ONNX attribute ${proto.name} of type ${proto.type} is not supported`)
  }
}

function readTensor(proto: TensorProto): Tensor {
  const dtype = dtypeOf(proto.dataType)
  const shape = (proto.dims ?? []).map(number)
  if (proto.dataLocation === 1) {
    const entries = Object.fromEntries((proto.externalData ?? []).map(({ key, value }) => [key, value]))
    const length = entries.length ? Number(entries.length) : shape.reduce((a, b) => a * b, bytesOf(dtype))
    return { dtype, shape, file: entries.location, offset: Number(entries.offset ?? 0), length }
  }
  return { dtype, shape, data: inlineBytes(proto, dtype) }
}

/** Small tensors may come in typed fields instead of raw bytes. */
function inlineBytes(proto: TensorProto, dtype: DType): Uint8Array {
  if (proto.rawData?.length) return new Uint8Array(proto.rawData) // no Buffer: its slice() does not copy
  if (dtype === 'int64') return bytes(BigInt64Array.from(proto.int64Data ?? [], v => BigInt(number(v))))
  if (dtype === 'float64') return bytes(Float64Array.from(proto.doubleData ?? []))
  if (dtype === 'float32') return bytes(Float32Array.from(proto.floatData ?? []))
  const list = proto.int32Data ?? []
  return bytesOf(dtype) === 4
    ? bytes(Int32Array.from(list))
    : bytesOf(dtype) === 2
      ? bytes(Uint16Array.from(list))
      : Uint8Array.from(list)
}

const bytes = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer)

function writeGraph(graph: Graph): GraphProto {
  const outputs = new Set(graph.outputs)
  return {
    name: graph.name,
    node: graph.nodes.map(writeNode),
    initializer: [...graph.initializers].map(([name, tensor]) => ({ name, ...writeTensor(tensor) })),
    input: graph.inputs.map(name => writeValue(graph, name)),
    output: graph.outputs.map(name => writeValue(graph, name)),
    valueInfo: graph.nodes
      .flatMap(node => node.outputs)
      .filter(name => name && !outputs.has(name) && graph.types.get(name)?.shape)
      .map(name => writeValue(graph, name)),
  }
}

/** What is of no known type has none here: ONNX Runtime finds it out. */
function writeValue(graph: Graph, name: string): ValueProto {
  const known = graph.types.get(name)
  if (!known) return { name }
  const { dtype, shape, sequence } = known
  if (sequence) return { name, type: { sequenceType: { elemType: { tensorType: { elemType: DTYPE_CODES[dtype] } } } } }
  const dim = (d: Dim) => (typeof d === 'number' ? { dimValue: d } : d.startsWith('?') ? {} : { dimParam: d })
  return {
    name,
    type: { tensorType: { elemType: DTYPE_CODES[dtype], ...(shape && { shape: { dim: shape.map(dim) } }) } },
  }
}

function writeNode({ op, domain, name, inputs, outputs, attrs }: Node): NodeProto {
  const attribute = Object.entries(attrs).map(([key, value]) => writeAttribute(key, value))
  return { opType: op, domain, name, input: inputs, output: outputs, attribute }
}

function writeAttribute(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number') return { name, type: ATTRIBUTE.int, i: value }
  if (value instanceof Float) return { name, type: ATTRIBUTE.float, f: value.value }
  if (typeof value === 'string') return { name, type: ATTRIBUTE.string, s: Buffer.from(value) }
  if (value instanceof Graph) return { name, type: ATTRIBUTE.graph, g: writeGraph(value) }
  if (value instanceof Float32Array) return { name, type: ATTRIBUTE.floats, floats: [...value] }
  if (!Array.isArray(value)) return { name, type: ATTRIBUTE.tensor, t: writeTensor(value) }
  if (typeof value[0] === 'string')
    return { name, type: ATTRIBUTE.strings, strings: value.map(s => Buffer.from(String(s))) }
  return { name, type: ATTRIBUTE.ints, ints: value as number[] }
}

function writeTensor(tensor: Tensor): TensorProto {
  const { dtype, shape } = tensor
  const head = { dims: shape, dataType: DTYPE_CODES[dtype] }
  if ('data' in tensor) return { ...head, rawData: tensor.data }
  const entries = { location: tensor.file, offset: tensor.offset, length: tensor.length }
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value: String(value) }))
  return { ...head, externalData, dataLocation: 1 }
}
