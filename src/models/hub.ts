/** From a Hub id to a model folder: what a folder needs of a repository. How it is fetched is io/hub.ts. */
import { existsSync, statSync } from 'node:fs'
import { UserError } from '../errors.ts'
import { fetchRepository, HUB_ID } from '../io/hub.ts'
import { suffixOf } from './variants.ts'

export interface HubOptions {
  /** Variant of the graphs (fp16, q4, …); without one those that have no suffix are fetched. */
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
      choose(files) {
        // Python's exporters put the graphs beside the configs.
        const nested = files.some(({ name }) => name.startsWith('onnx/') || name.endsWith('.safetensors'))
        const held = files.filter(({ name }) => wanted(name, nested ? 'onnx/' : '', dtype))
        if (!held.some(({ name }) => /^(genai_)?config\.json$/.test(name)))
          throw new UserError(`${idOrPath}: the Hub's repository has no config.json`)
        const graphs = held.filter(({ name }) => /\.onnx([._]data(_\d+)?)?$/.test(name))
        if (checkpoint) return held.filter(file => !graphs.includes(file))
        // the graphs bring their own weights
        return graphs.length > 0 ? held.filter(({ name }) => !name.includes('.safetensors')) : held
      },
    },
  )
}

/** Configs, tokenizer, processor, graphs of one variant with their data, weights. */
function wanted(name: string, place: string, dtype: string | undefined): boolean {
  if (/^[\w.-]+\.(json|jinja)$/.test(name) || /^model(-\d+-of-\d+)?\.safetensors$/.test(name)) return true
  const suffix = suffixOf(dtype ?? 'fp32')
  return new RegExp(
    `^${place}(vision_encoder|embed_tokens|decoder_model_merged|model)${suffix}\\.onnx([._]data(_\\d+)?)?$`,
  ).test(name)
}
