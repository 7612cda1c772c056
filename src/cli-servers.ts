/** The flags of models that are elsewhere: a server that answers in place of an engine, LLMs in the graders' seats. */
import { Flags, type Interfaces } from '@oclif/core'
import { number } from './cli.ts'
import { UserError } from './errors.ts'

/** How servers are asked, whatever they are asked for. */
export const patienceFlags = {
  concurrency: Flags.integer({
    helpGroup: 'SERVER',
    default: 16,
    min: 1,
    helpValue: 'N',
    description: 'requests at once; all samples of a row are one request',
  }),
  tries: Flags.integer({
    helpGroup: 'SERVER',
    default: 8,
    min: 1,
    helpValue: 'N',
    description: 'times that a request is sent at most (status 429 and 5xx, timeouts, cut streams)',
  }),
  backoff: Flags.custom<number>({
    helpGroup: 'SERVER',
    default: 1,
    helpValue: 'SECONDS',
    parse: number(0),
    description: 'first pause before it is sent again, doubled each time, up to a minute; Retry-After is honoured',
  })(),
  timeout: Flags.custom<number>({
    helpGroup: 'SERVER',
    default: 300,
    helpValue: 'SECONDS',
    parse: number(0.001, 1e6),
    description: 'give a request up after so long without a byte',
  })(),
  'time-limit': Flags.custom<number>({
    helpGroup: 'SERVER',
    default: 7200,
    helpValue: 'SECONDS',
    parse: number(0.001, 1e6),
    description: 'give a request up after so long, whatever comes',
  })(),
}

export const serverFlags = {
  'base-url': Flags.string({
    helpGroup: 'SERVER',
    helpValue: 'URL',
    exclusive: ['engine', 'device', 'adapter', 'batch-size', 'dtype', 'profile'],
    description: 'ask an OpenAI-compatible server (vLLM, SGLang, llama.cpp, hosted), such as http://localhost:8000/v1',
  }),
  'api-key-env': Flags.string({
    helpGroup: 'SERVER',
    helpValue: 'NAME',
    dependsOn: ['base-url'],
    description: 'the environment variable with the API key (default: OPENAI_API_KEY)',
  }),
  'extra-body': Flags.custom<Record<string, unknown>>({
    helpGroup: 'SERVER',
    helpValue: 'JSON',
    dependsOn: ['base-url'],
    description: `more parameters for each request, such as '{"top_k": 20}'`,
    parse: async text => jsonObject(text),
  })(),
  ...patienceFlags,
}

/** An LLM in a grader's seat. @param which the flags' first word */
function seatFlags<Which extends 'extract' | 'judge'>(which: Which, does: string, others: string[] = []) {
  const own = { helpGroup: 'GRADER' }
  return {
    [`${which}-url`]: Flags.string({
      ...own,
      helpValue: 'URL',
      dependsOn: [`${which}-model`],
      exclusive: others,
      description: `let an LLM ${does}: an OpenAI-compatible server, as for --base-url`,
    }),
    [`${which}-model`]: Flags.string({
      ...own,
      helpValue: 'NAME',
      dependsOn: [`${which}-url`],
      description: 'the name that this server knows the LLM by',
    }),
    [`${which}-key-env`]: Flags.string({
      ...own,
      helpValue: 'NAME',
      dependsOn: [`${which}-url`],
      description: 'the environment variable with its API key (default: OPENAI_API_KEY)',
    }),
  } as Record<`${Which}-${'url' | 'model' | 'key-env'}`, Interfaces.OptionFlag<string | undefined>>
}

export const extractorFlags = seatFlags('extract', 'read the answer out of each response')
export const jurorFlags = seatFlags('judge', 'say whether an answer is the golden one', ['judge'])

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {}
  throw new UserError(`expected a JSON object such as '{"top_k": 20}', got ${text}`, 2)
}
