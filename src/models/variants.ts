/**
 * Which files of a folder are its graphs: the Hub has each in several variants, told apart by a suffix, and not all of
 * them in all variants.
 */

import type { Config } from './config.ts'

/** The decoder last. What transformers.js took of a text model before its version 3 is the second. */
export const GRAPHS = {
  vlm: [['vision_encoder', 'embed_tokens', 'decoder_model_merged']],
  lm: [['model'], ['decoder_model_merged']],
}

/** The graphs of which there are files, in whatever variants. */
export function graphsIn(kind: 'vlm' | 'lm', files: string[]): string[] {
  const has = (name: string) => files.some(file => suffixIn(name, file) !== undefined)
  return GRAPHS[kind].find(names => names.every(has)) ?? GRAPHS[kind][0]
}

/** A variant for all graphs, as somebody asks for it, or of each one, as a config says. */
export type Dtypes = string | Record<string, string> | undefined

/** What transformers.js takes where nobody says otherwise. */
export const dtypesOf = (config: Config): Dtypes => {
  const held = (config['transformers.js_config'] as { dtype?: Dtypes } | undefined)?.dtype
  return typeof held === 'string'
    ? Object.fromEntries(
        Object.values(GRAPHS)
          .flat(2)
          .map(name => [name, held]),
      )
    : held
}

/**
 * The file of each graph. A variant that is asked for by one name is the decoder's; where tower or embedding lack it,
 * and where a config names one that is not there, they are taken as they would be if nobody asked.
 */
export function variants(names: string[], present: string[], dtype: Dtypes): (name: string) => string {
  const usual = onlyVariant(present, names)
  const [decoder] = names.slice(-1)
  return name => {
    const asked = typeof dtype === 'string' ? dtype : dtype?.[name]
    const file = asked && `${name}${suffixOf(asked)}.onnx`
    if (file && (present.includes(file) || (typeof dtype === 'string' && name === decoder))) return file
    const plain = `${name}${usual}.onnx`
    if (present.includes(plain)) return plain
    const others = present.filter(other => suffixIn(name, other) !== undefined)
    return asked && others.length === 1 ? others[0] : plain
  }
}

const suffixOf = (dtype: string) => (dtype === 'fp32' ? '' : dtype === 'q8' ? '_quantized' : `_${dtype}`)

/** What stands between a graph's name and `.onnx`, if the file is one of its variants. */
const suffixIn = (name: string, file: string) => new RegExp(`^${name}(|_[a-z0-9]+)\\.onnx$`).exec(file)?.[1]

/** The suffix where nobody asks for one: none, unless the folder has one variant and it has a suffix. */
function onlyVariant(present: string[], [first, ...rest]: string[]): string {
  const suffixes = present.flatMap(file => suffixIn(first, file) ?? [])
  const whole = suffixes.filter(suffix => rest.every(name => present.includes(`${name}${suffix}.onnx`)))
  return whole.length === 1 ? whole[0] : ''
}
