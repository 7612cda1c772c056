/** From a Hub id to a model folder: what a folder needs of a repository. How it is fetched is io/hub.ts. */
import { existsSync, statSync } from 'node:fs'
import { UserError } from '../errors.ts'
import { fetchRepository, HUB_ID, type HubFile } from '../io/hub.ts'
import type { Config } from './config.ts'
import { type Dtypes, dtypesOf, graphsIn, variants } from './variants.ts'

export interface HubOptions {
  /** Variant of the graphs (fp16, q4, …); without one those that the config names, or that have no suffix. */
  dtype?: string
  /** Fetch the weights in safetensors, even where there are graphs. */
  checkpoint?: boolean
  /** A branch, a tag or a commit. */
  revision?: string
}

/** The folder of a model: a path that exists, or a Hub id, fetched where the cache lacks it. */
export async function resolveModel(
  idOrPath: string,
  { dtype, revision, checkpoint }: HubOptions = {},
): Promise<string> {
  if (existsSync(idOrPath)) {
    if (statSync(idOrPath).isDirectory()) return idOrPath
    throw new UserError(`${idOrPath}: expected a model folder (config.json, onnx/, tokenizer.json), got a file`)
  }
  if (!HUB_ID.test(idOrPath)) {
    throw new UserError(`${idOrPath}: no such folder. Give a model folder, or a Hub id as owner/name`)
  }
  const messages = { because: 'no such folder', instead: 'Give the path of a model folder.' }
  const variant = checkpoint ? 'checkpoint' : dtype
  return fetchRepository(
    { kind: 'models', id: idOrPath, revision, ...messages },
    {
      mark: variant ? `-${variant}` : '',
      async choose(files, read) {
        // Python's exporters put the graphs beside the configs.
        const nested = files.some(({ name }) => name.startsWith('onnx/') || name.endsWith('.safetensors'))
        const whole = files.some(({ name }) => name === 'tokenizer.json')
        const plain = files.filter(({ name }) => PLAIN.test(name) || (!whole && OLDER.test(name)))
        const config = plain.find(({ name }) => name === 'config.json') ?? plain.find(({ name }) => name === 'genai_config.json') // biome-ignore format: one thought
        if (!config) throw new UserError(`${idOrPath}: the Hub's repository has no config.json`)
        const weights = files.filter(({ name }) => /^model(-\d+-of-\d+)?\.safetensors$/.test(name))
        if (checkpoint) return [...plain, ...weights]
        const graphs = graphsOf(files, nested ? 'onnx/' : '', dtype ?? dtypesOf(parsed(await read(config))))
        return [...plain, ...(graphs.length > 0 ? graphs : weights)] // the graphs bring their own weights
      },
    },
  )
}

/** Configs, tokenizer, processor. */
const PLAIN = /^[\w.-]+\.(json|jinja)$/
/** Of tokenizers without tokenizer.json. */
const OLDER = /^(merges\.txt|tokenizer\.model)$/

/** The graphs of a repository, those variants that a folder of all of them would be read in, with their data. */
function graphsOf(files: HubFile[], place: string, dtype: Dtypes): HubFile[] {
  const inside = files.filter(({ name }) => name.startsWith(place)).map(({ name }) => name.slice(place.length))
  const present = inside.filter(name => name.endsWith('.onnx')).sort()
  const graphs = graphsIn(present.some(name => name.startsWith('vision_encoder')) ? 'vlm' : 'lm', present)
  const chosen = graphs.map(variants(graphs, present, dtype)).map(name => `${place}${name}`)
  const belongs = (name: string) => chosen.some(graph => name === graph || (name.startsWith(graph) && DATA.test(name)))
  return files.filter(({ name }) => belongs(name))
}

const DATA = /\.onnx[._]data(_\d+)?$/

/** What is wrong with it is told when the folder is opened. */
function parsed(text: string): Config {
  try {
    return JSON.parse(text) as Config
  } catch {
    return { model_type: '' }
  }
}
