/**
 * ONNX Runtime, and the only file that knows it. A session is opened on a model file or on a model in memory, on the
 * device that was asked for; tensors are plain `{dtype, shape, data}`. `run` blocks the event loop while it computes.
 */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { UserError } from '../errors.ts'
import type { DType, Graph, Model } from './ir.ts'
import { writeModel } from './proto.ts'

export type Data =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Uint16Array
  | Int16Array
  | Uint8Array
  | Int8Array

/** A tensor in host memory, row-major. */
export interface HostTensor {
  dtype: DType
  shape: number[]
  data: Data
}

export type Device = 'auto' | 'cpu' | 'cuda' | 'webgpu'

export interface SessionOptions {
  device?: Device
  /** Where external initializers of an in-memory model lie. */
  folder?: string
  /** Threads inside an operator (CPU); 0 lets ONNX Runtime decide. */
  threads?: number
  /** False: idle threads sleep instead of spinning, which is kinder to other processes on the same cores. */
  spin?: boolean
  /**
   * Spares memory where that is worth a little time: what is freed goes back to the system, and frozen weights are not
   * also kept in the order that the matrix products like best.
   */
  frugal?: boolean
  optimization?: 'disabled' | 'basic' | 'extended' | 'all'
  /** More so: weights stay in their file in their dtype and are cast anew for every product. */
  lean?: boolean
  /** Every output of every run is written into memory that the caller gives; a model in memory. */
  writes?: boolean
  /** Path prefix for ONNX Runtime's profile; none is written without it. */
  profile?: string
}

export interface Session {
  readonly device: Exclude<Device, 'auto'>
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /**
   * Runs the graph; asks for `fetches` only, where given. Where they name a tensor, the output is written into it: that
   * may be an input's memory, if the one operator that reads that input is the one that makes the output, in place.
   */
  run(feeds: Record<string, HostTensor>, fetches?: Fetches): Promise<Record<string, HostTensor>>
  close(): Promise<void>
}

export type Fetches = readonly string[] | Record<string, HostTensor | null>

type Ort = typeof import('onnxruntime-node')

/** Sessions opened so far: ONNX Runtime names profiles by the second, and two would write into one. */
let opened = 0

/** Opens a session on an `.onnx` file or on a model in memory. Throws a UserError where the device cannot be had. */
export async function openSession(model: string | Model | Uint8Array, options: SessionOptions = {}): Promise<Session> {
  const ort = (await import('onnxruntime-node')) as Ort
  const device = await resolveDevice(options.device ?? 'cpu')
  const frugal = options.frugal || options.lean
  const settings: InferenceSession.SessionOptions = {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    graphOptimizationLevel: options.optimization ?? 'all',
    intraOpNumThreads: options.threads ?? 0,
    ...(frugal && { enableCpuMemArena: false, enableMemPattern: false }),
    logSeverityLevel: 3,
    ...(options.profile && { enableProfiling: true, profileFilePrefix: `${options.profile}-${++opened}` }),
    extra: {
      session: {
        qdq_matmulnbits_accuracy_level: '1', // products with weights in bytes do not round activations to bytes
        set_denormal_as_zero: '1', // Adam's moments decay into denormals, which are a hundred times slower
        ...(options.folder && { model_external_initializers_file_folder_path: options.folder }),
        ...(frugal && { disable_prepacking: '1' }),
        ...(options.spin === false && { intra_op: { allow_spinning: '0' } }),
      },
      // These two would make a copy in single precision of every weight that is cast.
      ...(options.lean && {
        optimization: {
          disable_specified_optimizers: 'ConstantFolding;FuseFp16InitializerToFp32NodeTransformer',
        },
      }),
    },
  }
  if (options.writes) stopCopies((model as Model).graph)
  const source = typeof model === 'string' || model instanceof Uint8Array ? model : writeModel(model)
  const session = await ort.InferenceSession.create(source as string, settings)
  return {
    device,
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, fetches) {
      const given = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(ort, tensor)]))
      if (options.writes) {
        const into = fetches as Record<string, HostTensor>
        await session.run(given, { ...intoOrt(ort, into), [STOP]: null }).catch(afterWriting)
        return into
      }
      const made = await (fetches ? session.run(given, intoOrt(ort, fetches)) : session.run(given))
      return Object.fromEntries(Object.entries(made).map(([name, tensor]) => [name, fromOrt(tensor)]))
    },
    close: () => session.release(),
  }
}

const STOP = 'stop'

/**
 * onnxruntime-node copies every output into new memory, given memory or not: as much again as all gradients, in each run.
 * It does so in the order of the outputs, after the run, and gives up at what is no tensor: so an empty sequence goes first.
 */
function stopCopies(graph: Graph): void {
  graph.nodes.push({ op: 'SequenceEmpty', domain: '', name: STOP, inputs: [], outputs: [STOP], attrs: {} })
  graph.outputs.unshift(STOP)
}

function afterWriting(error: Error): Record<string, never> {
  if (!/^Non tensor type/.test(error.message)) throw error
  return {}
}

const toOrt = (ort: Ort, { dtype, shape, data }: HostTensor) =>
  new ort.Tensor(dtype as 'float32', data as Float32Array, shape)
const intoOrt = (ort: Ort, fetches: Fetches) =>
  Array.isArray(fetches)
    ? (fetches as string[])
    : Object.fromEntries(Object.entries(fetches).map(([name, tensor]) => [name, tensor && toOrt(ort, tensor)]))
const fromOrt = (tensor: OrtTensor): HostTensor => ({
  dtype: tensor.type as DType,
  shape: [...tensor.dims],
  data: tensor.data as Data,
})

let resolved: Promise<Exclude<Device, 'auto'>> | undefined

/** `auto` becomes CUDA where a session opens on it, else the CPU, with one line on stderr that says why. */
export function resolveDevice(device: Device, say: (line: string) => void = line => process.stderr.write(`${line}\n`)) {
  if (device !== 'auto') return device === 'cpu' ? Promise.resolve(device) : required(device)
  resolved ??= whyNotCuda().then(reason => {
    if (!reason) return 'cuda'
    if (!quiet) say(`device: cpu (no CUDA: ${reason})`)
    return 'cpu'
  })
  return resolved
}

let quiet = false
/** Stops the line about the device (for --quiet). */
export const silenceDevice = () => {
  quiet = true
}

async function required(device: 'cuda' | 'webgpu') {
  const reason = device === 'cuda' ? await whyNotCuda() : await whyNot('webgpu')
  if (reason) throw new UserError(`--device ${device}: ${reason}. Use --device cpu, or auto to take what works.`)
  return device
}

/** Undefined where CUDA works; else the reason, for people. */
async function whyNotCuda(): Promise<string | undefined> {
  if (process.platform === 'darwin' || process.arch !== 'x64')
    return `no CUDA build for ${process.platform}-${process.arch}`
  const bin = join(
    dirname(createRequire(import.meta.url).resolve('onnxruntime-node')),
    '../bin/napi-v6',
    process.platform,
    process.arch,
  )
  const library = process.platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so'
  if (!existsSync(join(bin, library))) {
    return 'the CUDA provider is not installed; ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js fetches it'
  }
  return whyNot('cuda')
}

/** Tries a one-node session. */
async function whyNot(device: 'cuda' | 'webgpu'): Promise<string | undefined> {
  const ort = (await import('onnxruntime-node')) as Ort
  try {
    const session = await ort.InferenceSession.create(probe(), { executionProviders: [device], logSeverityLevel: 4 })
    await session.release()
    return undefined
  } catch (error) {
    // The place in ONNX Runtime's sources is of no use to people.
    return String((error as Error).message)
      .split('\n')[0]
      .replace(/^.* was false\. /, '')
      .replace(/\.$/, '')
  }
}

/** y = -x, serialized by hand so that probing needs nothing else. */
function probe(): Uint8Array {
  const string = (field: number, s: string) => [(field << 3) | 2, s.length, ...Buffer.from(s)]
  const message = (field: number, ...parts: number[][]) => [(field << 3) | 2, parts.flat().length, ...parts.flat()]
  const int = (field: number, value: number) => [field << 3, value]
  const value = (field: number, name: string) =>
    message(field, string(1, name), message(2, message(1, int(1, 1), message(2, message(1, int(1, 1))))))
  const node = message(1, string(1, 'x'), string(2, 'y'), string(4, 'Neg'))
  const graph = message(7, node, string(2, 'g'), value(11, 'x'), value(12, 'y'))
  return Uint8Array.from([...int(1, 8), ...message(8, string(1, ''), int(2, 17)), ...graph])
}
