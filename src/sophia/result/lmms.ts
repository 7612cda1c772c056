/**
 * The result as lmms-eval (and lm-evaluation-harness before it) lays out its aggregated results, so that what reads
 * those reads ours; the whole result stands under `sophia`. Shares there are 0 … 1, ours are percent.
 */
import { basename } from 'node:path'
import type { Accuracy, Result } from '../score.ts'
import type { Official, Who } from './table.ts'

/** What was run, and how. */
export interface About {
  /** Where the problems, or the saved answers, came from. */
  input: string
  /** The folder or Hub id; undefined where saved answers were scored. */
  model?: string
  adapter?: string
  device?: string
  limit?: number
  batchSize?: number
  seed?: number
  /** Settings of sampling; none for saved answers. */
  sampled?: { temperature: number; top_p: number; max_tokens: number }
  /** Who judged, and all else that was set, for our own part. */
  settings: Who & Record<string, unknown>
  official?: Official
  version: string
  /** When the run began. */
  began: Date
}

/** The task's name: the benchmark's, or the input file's. */
export function taskOf({ official, input }: Pick<About, 'official' | 'input'>): string {
  return (
    official?.benchmark ?? (input === '-' ? 'stdin' : basename(input).replace(/\.(jsonl(\.gz)?|parquet|json)$/i, ''))
  )
}

export function lmmsResult(result: Result, about: About) {
  const task = taskOf(about)
  const { model, adapter, sampled, settings, began } = about
  const metrics = metricsOf(result)
  const names = Object.keys(metrics).filter(name => !name.includes('_stderr'))
  const { temperature = 0, top_p, max_tokens: max_new_tokens } = sampled ?? {}
  const kwargs = sampled ? { temperature, top_p, max_new_tokens, do_sample: temperature > 0 } : null
  const higher = Object.fromEntries(names.map(name => [name.split(',')[0], true]))
  const source = model ?? result.models.join(', ')
  const modelArgs = Object.entries({ pretrained: source, peft: adapter, device: about.device })
  return {
    results: { [task]: { alias: task, ...metrics, samples: result.n } },
    group_subtasks: { [task]: [] },
    configs: {
      [task]: {
        task,
        dataset_path: about.input,
        output_type: 'generate_until',
        num_fewshot: 0,
        repeats: result.samples,
        generation_kwargs: kwargs ?? {},
        metric_list: Object.keys(higher).map(metric => ({ metric, aggregation: 'mean', higher_is_better: true })),
        metadata: { version: about.version, judge: settings.judge, extractor: settings.extractor },
      },
    },
    versions: { [task]: about.version },
    'n-shot': { [task]: 0 },
    higher_is_better: { [task]: higher },
    'n-samples': { [task]: { original: result.n, effective: result.n - result.unanswered } },
    config: {
      model: model === undefined ? 'saved answers' : 'sophia',
      model_args: modelArgs.flatMap(([key, value]) => (value ? [`${key}=${value}`] : [])).join(','),
      batch_size: about.batchSize ?? null,
      device: about.device ?? null,
      limit: about.limit ?? null,
      gen_kwargs: kwargs,
      random_seed: about.seed ?? null,
    },
    git_hash: null,
    date: stamp(began),
    model_source: 'sophia',
    model_name: source,
    model_name_sanitized: source.replace(/[^A-Za-z0-9_.-]+/g, '__'),
    start_time: began.getTime() / 1000,
    end_time: Date.now() / 1000,
    total_evaluation_time_seconds: String((Date.now() - began.getTime()) / 1000),
    sophia: { ...result, official: about.official?.denominator ?? 'all', settings },
  }
}

/** "metric,filter" → share, and its standard error. No filters are ours: "none". */
function metricsOf(result: Result): Record<string, number> {
  const all: [string, Accuracy | undefined][] = [
    ['acc', result],
    ['acc_answered', result.answered],
    ...Object.entries(result.passAt ?? {}).map(([k, accuracy]): [string, Accuracy] => [`pass@${k}`, accuracy]),
    ['acc_worst', result.groups?.worst],
    ['acc_groups', result.groups?.average],
  ]
  const metrics: Record<string, number> = {}
  for (const [name, accuracy] of all) {
    if (!accuracy) continue
    metrics[`${name},none`] = share(accuracy.accuracy)
    metrics[`${name}_stderr,none`] = share(accuracy.stderr)
  }
  if (result.steps) metrics['step_acc,none'] = share(result.steps.rate)
  return metrics
}

const share = (percent: number) => Math.round(percent * 1e4) / 1e6

/** 20261121_153000, as lmms-eval writes dates; UTC. */
const stamp = (date: Date) => date.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '_')
