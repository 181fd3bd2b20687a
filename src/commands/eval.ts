import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../base/errors.ts';
import { type ResolvedConfig, resolveConfig, setLayer } from '../config/index.ts';
import { benchmarks, SPLITS } from '../eval/index.ts';
import { mft } from '../protocol/index.ts';
import { type RunRecord, RunStore } from '../runs/index.ts';
import { DevicePhone, planChoices, planEvaluation, scoredQuestions, writeScores } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { choiceLines, choiceRecord } from './shared/choice-report.ts';
import { openDevice, resolveModel } from './shared/context.ts';
import {
  adapterFlag,
  computeFlag,
  deviceFlag,
  dtypeFlag,
  plainFlag,
  threadsFlag,
  waitFlag,
} from './shared/flags.ts';
import { endingLines, exitCodeOf, FAREWELL_MS, followRun } from './shared/follow.ts';
import { withProgress } from './shared/progress.ts';
import { prose } from './shared/prose.ts';
import { viewMode } from './shared/view-mode.ts';

/** Tasks whose file has the questions as they are asked. */
const RECORDS = ['choices', 'contexts'] as const;
const TASKS = [...benchmarks.keys(), ...RECORDS];

export default class Eval extends BaseCommand {
  static override summary = 'Measure a model on the phone: perplexity, or multiple choice.';
  static override description =
    prose(`Without --task: the perplexity of a text, in windows of --sequence-length tokens that begin every --stride
tokens; every token but the very first is predicted once. Of JSON Lines: of what a training would learn of each record.

With --task: multiple choice, as lm-evaluation-harness defines acc and acc_norm. --data is the folder of the benchmark, or one
of its files; for choices a file of {"question", "choices", "answer"}, for contexts one of {"context", "choices", "answer"}
(docs/evaluation.md).

Exit codes: 0 done, 5 failed, 6 contact lost, 7 stopped (docs/errors.md).`);
  static override examples = [
    '<%= config.bin %> eval --model gpt2 --data test.txt --sequence-length 512 --stride 256',
    '<%= config.bin %> eval --adapter gpt2-20261122-1a2b --data test.txt --json',
    '<%= config.bin %> eval --model gemma3 --task mmlu --data mmlu/ --shots 5 --subjects astronomy,anatomy',
    '<%= config.bin %> eval --model gpt2 --task choices --data quiz.jsonl --out scores.jsonl',
  ];
  static override flags = {
    device: deviceFlag,
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME|DIR',
      summary: "The model, as mft train takes it; default: that of the adapter's run.",
    }),
    adapter: adapterFlag,
    data: Flags.string({
      required: true,
      helpValue: 'FILE|DIR',
      summary: 'What to measure on; device:/PATH is a file on the phone.',
    }),
    task: Flags.option({
      helpValue: TASKS.join('|'),
      options: TASKS,
      summary: 'Multiple choice: a benchmark as it was published, or questions of your own.',
    })(),
    shots: Flags.integer({
      min: 0,
      max: 100,
      dependsOn: ['task'],
      summary: "Examples before each question: the first of the benchmark's training (MMLU: dev) file.",
    }),
    examples: Flags.string({
      dependsOn: ['task', 'shots'],
      helpValue: 'FILE',
      summary: 'File of the examples, instead of that.',
    }),
    split: Flags.option({
      options: SPLITS,
      dependsOn: ['task'],
      summary: 'Which questions; default: test, where answers were published, else validation.',
    })(),
    subjects: Flags.string({ dependsOn: ['task'], helpValue: 'A,B', summary: 'Of MMLU; default: all.' }),
    limit: Flags.integer({
      min: 1,
      dependsOn: ['task'],
      summary: 'The first questions only, of each subject.',
    }),
    method: Flags.option({
      helpValue: 'letter|likelihood',
      options: ['letter', 'likelihood'] as const,
      dependsOn: ['task'],
      summary:
        'For choices: choose by the letter after a prompt that shows them (default), or by the text of each.',
    })(),
    set: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['task'],
      helpValue: 'data.KEY=VALUE',
      summary: 'How the file is read: a data.* key of a configuration; may be given again.',
    }),
    out: Flags.string({
      dependsOn: ['task'],
      helpValue: 'FILE',
      summary: 'Write the log-likelihoods of every choice there, as JSON Lines.',
    }),
    stride: Flags.integer({
      min: 1,
      exclusive: ['task'],
      summary: 'Tokens from one window to the next; default: --sequence-length.',
    }),
    'sequence-length': Flags.integer({
      min: 2,
      summary:
        'Tokens in a window; default: 128, or what the model can see; with --task what the model can see.',
    }),
    'batch-size': Flags.integer({
      min: 1,
      max: 4096,
      default: 8,
      exclusive: ['task'],
      summary: 'Windows at a time.',
    }),
    threads: threadsFlag,
    compute: computeFlag,
    dtype: dtypeFlag,
    wait: waitFlag,
    plain: plainFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Eval);
    using store = RunStore.open();
    const choices = flags.task === undefined ? undefined : choiceOptions({ ...flags, task: flags.task });
    const { model, adapter } = resolveModel(store, flags);
    const device = await openDevice(flags);
    const { data, threads, compute, dtype } = flags;
    const sequenceLength = flags['sequence-length'];
    const shared = { store, device, model, adapter, dtype, data, sequenceLength, threads, compute };
    const run = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      choices
        ? planChoices({ ...shared, ...choices }, operation)
        : planEvaluation(
            {
              ...shared,
              batchSize: flags['batch-size'],
              stride: flags.stride,
              settings: dataSettings(flags.set),
            },
            operation,
          ),
    );
    const phone = new DevicePhone(device);
    const result = await this.follow(store, phone, run, flags);
    if (!result) return undefined;
    const answer = choices
      ? await this.showChoices(store, run, flags)
      : this.showPerplexity(result, mft.v1.RunSpec.decode(run.spec));
    await phone.forget(run, FAREWELL_MS).catch(() => {}); // leaves nothing behind that anybody could want
    store.remove(run.id);
    const { task } = flags;
    return { ...answer, model, data, ...(task === undefined ? {} : { task, shots: flags.shots ?? 0 }) };
  }

  /** Undefined: the run did not come to its end; that was said. */
  private async follow(
    store: RunStore,
    phone: DevicePhone,
    { id }: RunRecord,
    flags: { wait: number; plain: boolean },
  ): Promise<mft.v1.Evaluation | undefined> {
    let result: mft.v1.Evaluation | undefined;
    const followed = await followRun({
      store,
      phone,
      id,
      mode: this.jsonEnabled() ? 'silent' : viewMode({ json: false, plain: flags.plain }),
      session: { contactMs: flags.wait * 1000 },
      onSignal: (signal) => {
        if (signal.type === 'event' && signal.event.evaluation) result = signal.event.evaluation;
      },
    });
    if (followed.end.kind === 'finished' && result) return result;
    for (const line of endingLines(id, followed)) this.log(line);
    process.exitCode = exitCodeOf(followed);
    return undefined;
  }

  private showPerplexity({ loss, perplexity, tokens, durationMs }: mft.v1.Evaluation, spec: mft.v1.RunSpec) {
    this.log(`perplexity ${perplexity.toFixed(4)}  loss ${loss.toFixed(6)}  tokens ${tokens}`);
    const sequence_length = spec.data?.sequenceLength ?? 0;
    const stride = spec.evaluate?.stride || sequence_length;
    return { loss, perplexity, tokens, duration_ms: durationMs, sequence_length, stride };
  }

  private async showChoices(store: RunStore, { id }: RunRecord, { out }: { out?: string | undefined }) {
    const questions = scoredQuestions(store, id);
    if (out !== undefined) await writeScores(questions, out);
    for (const line of choiceLines(questions)) this.log(line);
    return choiceRecord(questions);
  }
}

/** Keys of `data` that say how a file is read. */
const READING = ['format', 'packing', 'mask_prompt', 'fields', 'chat_template'] as const;

/** @throws MftError config.* */
function dataSettings(assignments: readonly string[] = []): Partial<ResolvedConfig['data']> {
  const layer = setLayer(assignments);
  const { data } = resolveConfig([layer]);
  const said = Object.keys(layer.values.data ?? {});
  const other = [
    ...Object.keys(layer.values).filter((section) => section !== 'data'),
    ...said.filter((key) => !READING.some((known) => key === known)).map((key) => `data.${key}`),
  ];
  if (other.length > 0)
    throw new MftError(`--set ${other[0]} means nothing to an evaluation`, {
      code: 'config.value',
      exit: ExitCode.usage,
      suggestions: [`Keys that do: ${READING.map((key) => `data.${key}`).join(', ')}`],
    });
  return Object.fromEntries(READING.filter((key) => said.includes(key)).map((key) => [key, data[key]]));
}

interface TaskFlags {
  task: string;
  shots?: number | undefined;
  examples?: string | undefined;
  split?: (typeof SPLITS)[number] | undefined;
  subjects?: string | undefined;
  limit?: number | undefined;
  method?: 'letter' | 'likelihood' | undefined;
  data: string;
}

/** What --task and the flags about it ask for together. @throws MftError usage.command-line */
function choiceOptions(flags: TaskFlags) {
  const { task, shots = 0, examples, split, subjects, limit, method } = flags;
  const benchmark = benchmarks.get(task);
  if (!benchmark) {
    for (const name of ['shots', 'examples', 'split', 'subjects'] as const)
      if (flags[name] !== undefined) throw unusable(name, task);
    if (task === 'contexts' && method === 'letter') throw unusable('method', 'contexts');
    const byText = task === 'contexts' ? 'likelihood' : (method ?? 'letter');
    return { records: task === 'contexts' ? 'contexts' : 'choices', method: byText, limit } as const;
  }
  if (method !== undefined) throw unusable('method', task);
  if (subjects !== undefined && task !== 'mmlu') throw unusable('subjects', task);
  if (flags.data.startsWith('device:'))
    throw new MftError(`the files of ${benchmark.title} are read on this computer, not on the phone`, {
      code: 'usage.command-line',
      exit: ExitCode.usage,
      suggestions: ['Give the folder on this computer: --data DIR'],
    });
  const names = subjects?.split(',').map((name) => name.trim());
  return {
    records: 'contexts',
    method: 'likelihood',
    benchmark: { benchmark, shots, examples, split, limit, subjects: names },
  } as const;
}

function unusable(flag: string, task: string): MftError {
  return new MftError(`--${flag} means nothing with --task ${task}`, {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: ['mft eval --help says what each flag is for.'],
  });
}
