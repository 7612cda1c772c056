/**
 * The reference engine: transformers.js' own `generate` and its own sampler, one row at a time. It is there to check
 * ours against, and for architectures whose graphs we do not read. Its draws cannot be named, so only greedy answers
 * are the same from run to run.
 */

import { UserError } from '../errors.ts'
import { resolveDevice } from '../graph/session.ts'
import { openChat } from '../models/chat.ts'
import { openFolder } from '../models/folder.ts'
import type { GeneratorOptions } from './index.ts'
import { encodeAll } from './requests.ts'
import type { Failure, Generated, Generator, Request } from './types.ts'

export async function transformersGenerator({
  model: id,
  sampling,
  dtype,
  device = 'auto',
}: GeneratorOptions): Promise<Generator> {
  const folder = await openFolder(id, { dtype })
  const chat = await openChat(folder)
  const { AutoModelForCausalLM, AutoModelForImageTextToText, Tensor } = await import('@huggingface/transformers')
  const Auto = folder.kind === 'vlm' ? AutoModelForImageTextToText : AutoModelForCausalLM
  const model = await Auto.from_pretrained(folder.path, {
    dtype: (dtype ?? 'fp32') as 'fp32',
    device: await resolveDevice(device),
    local_files_only: true,
  }).catch((error: Error) => {
    throw new UserError(`${folder.path}: transformers.js cannot open it: ${error.message}`)
  })
  const stops = new Set(folder.eos)
  const choice =
    sampling.temperature === 0
      ? { do_sample: false }
      : { do_sample: true, temperature: sampling.temperature, top_p: sampling.topP, top_k: 0 }

  async function* generate(requests: Request[]): AsyncGenerator<Generated | Failure> {
    for (const item of await encodeAll(requests, chat, folder, sampling.maxTokens)) {
      if ('error' in item) {
        yield item
        continue
      }
      const { ids, vision = {}, budget } = item
      const int64 = (values: number[]) => new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
      const output = (await model.generate({
        input_ids: int64(ids),
        attention_mask: int64(ids.map(() => 1)),
        ...Object.fromEntries(
          Object.entries(vision).map(([name, { dtype, data, shape }]) => [
            name === 'grid_thw' ? 'image_grid_thw' : name, // the graph's name of it and transformers.js' own
            new Tensor(dtype as 'float32', data as Float32Array, shape),
          ]),
        ),
        max_new_tokens: budget,
        ...choice,
      } as never)) as { data: BigInt64Array }
      const tokens = Array.from(output.data, Number).slice(ids.length)
      const stopped = stops.has(tokens.at(-1)!)
      const text = chat.decode(stopped ? tokens.slice(0, -1) : tokens)
      // transformers.js returns no scores.
      yield { text, tokens: tokens.length, finish: stopped ? 'stop' : 'length', logprob: Number.NaN }
    }
  }
  return {
    window: 16,
    generate,
    close: async () => {
      await model.dispose()
    },
  }
}
