import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../base/errors.ts';
import {
  flagLayer,
  type Layer,
  printConfig,
  type ResolvedConfig,
  resolveConfig,
  setLayer,
  yamlLayer,
} from '../config/index.ts';
import { RunStore } from '../runs/index.ts';
import { DevicePhone, describeSpec, planTraining, previewFacts, previewTraining } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { adapterFolder, missingBase, missingModel, openDevice } from './shared/context.ts';
import { computeFlag, deviceFlag, dtypeFlag, plainFlag, threadsFlag, waitFlag } from './shared/flags.ts';
import { endingLines, endRecord, exitCodeOf, followRun } from './shared/follow.ts';
import { withProgress } from './shared/progress.ts';
import { prose } from './shared/prose.ts';
import { viewMode } from './shared/view-mode.ts';

export default class Train extends BaseCommand {
  static override summary = 'Fine-tune a model on a phone.';
  static override description =
    prose(`Pushes what the phone lacks, starts the training there and shows it while it goes. The run goes on without this
computer: ^C leaves it (once; twice: at once), \`mft attach RUN\` comes back, \`mft stop RUN\` ends it.

The data is a text in UTF-8, or JSON Lines: texts, prompts with completions, conversations, questions with choices, token
ids (docs/data.md); a file here, or one that is on the phone already and never leaves it: device:/sdcard/notes.txt

Exit codes: 0 finished, 5 failed, 6 contact lost, 7 stopped on request, 130 left with ^C; 2 to 4 before it began (docs/errors.md).`);
  static override examples = [
    {
      description: 'LoRA on the only connected phone, one pass over a text:',
      command: '<%= config.bin %> train --model gpt2 --data notes.txt',
    },
    {
      description: 'A recipe with some of its numbers changed, on a phone of several:',
      command:
        '<%= config.bin %> train --device R58M12ABCDE --model gpt2 --data notes.txt --config configs/gpt2-lora.yaml --set lora.r=16 --steps 200',
    },
    {
      description: 'All weights, with a text that stays on the phone; leave once it runs:',
      command:
        '<%= config.bin %> train --model ./my-gpt2 --data device:/sdcard/notes.txt --method full --detach',
    },
    {
      description: 'Adapters on chosen modules of a model in four bits:',
      command:
        '<%= config.bin %> train --model ./Qwen2.5-0.5B --dtype int4 --targets q_proj,v_proj --data notes.txt',
    },
    {
      description: 'Train an adapter further, on another text:',
      command: '<%= config.bin %> train --init-adapter gpt2-20261122-1a2b --data more.txt',
    },
    {
      description: 'See the configuration as it would be used:',
      command: '<%= config.bin %> train --config configs/gpt2-full.yaml --set train.epochs=3 --dry-run',
    },
  ];
  static override flags = {
    device: deviceFlag,
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME|DIR',
      summary: 'The base model: a name (mft model ls), a Hugging Face folder, or a GGUF file.',
    }),
    data: Flags.string({
      helpValue: 'FILE',
      summary: 'A text, or JSON Lines; device:/PATH is a file on the phone.',
    }),
    config: Flags.string({
      char: 'c',
      helpValue: 'YAML',
      summary: 'A configuration file (docs/configuration.md).',
    }),
    set: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'PATH=VALUE',
      summary: 'One key of the configuration; may be given again.',
    }),
    method: Flags.string({ helpValue: 'lora|full', summary: 'Train an adapter, or all weights.' }),
    steps: Flags.integer({ summary: 'Optimizer steps.' }),
    epochs: Flags.string({ summary: 'Passes over the text.' }),
    seed: Flags.integer({ summary: 'Same seed, same curve.' }),
    threads: threadsFlag,
    compute: computeFlag,
    dtype: dtypeFlag,
    targets: Flags.string({
      helpValue: 'NAME,...',
      summary: 'Modules that get an adapter: q_proj,v_proj, or all-linear.',
    }),
    'init-adapter': Flags.string({
      helpValue: 'RUN|DIR',
      summary: 'Go on from this adapter: of a finished run, or a PEFT folder.',
    }),
    name: Flags.string({ summary: "First part of the run's id; default: the model's name." }),
    detach: Flags.boolean({ summary: 'Leave as soon as the training has started.', exclusive: ['dry-run'] }),
    'dry-run': Flags.boolean({
      summary:
        'Print the configuration as it is resolved, with --model also what is trained, and do nothing.',
    }),
    wait: waitFlag,
    plain: plainFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Train);
    using store = RunStore.open();
    const config = this.resolve(flags);
    if (config.method === 'full' && flags.targets !== undefined)
      throw new MftError('--targets chooses modules for adapters, but --method full trains every weight', {
        code: 'usage.command-line',
        exit: ExitCode.usage,
        suggestions: ['Leave one of them out.'],
      });
    const { init_adapter } = config.lora;
    const adapter = init_adapter === undefined ? undefined : adapterFolder(store, init_adapter);
    if (adapter !== undefined) config.lora.init_adapter = adapter.dir;
    const model = flags.model ?? adapter?.model;
    const { data } = flags;
    if (flags['dry-run']) return await this.preview(store, model, config, data);
    if (model === undefined) throw adapter === undefined ? missingModel() : missingBase();
    if (data === undefined) throw missingData();
    const device = await openDevice(flags);
    const json = this.jsonEnabled();
    const run = await withProgress({ quiet: json }, (operation) =>
      planTraining({ store, device, model, data, config, name: flags.name }, operation),
    );
    const plan = describeSpec(run.spec);
    if (json) this.printJsonLine({ type: 'run', run: run.id, device: device.serial, config, plan });
    else {
      this.log(`${run.id}: ${run.method} of ${run.model} on ${run.deviceName} (${device})`);
      if (plan) for (const [name, value] of previewFacts(plan)) this.log(`${name}: ${value}`);
    }
    const followed = await followRun({
      store,
      phone: new DevicePhone(device),
      id: run.id,
      mode: viewMode({ json, plain: flags.plain || flags.detach }),
      session: { contactMs: flags.wait * 1000, detachAfterStart: flags.detach },
    });
    if (json) this.printJsonLine(endRecord(run.id, followed));
    else for (const line of endingLines(run.id, followed)) this.log(line);
    process.exitCode = exitCodeOf(followed);
    return undefined;
  }

  /** The configuration and, where the model is known, what it means for it. As YAML that is still a configuration. */
  private async preview(
    store: RunStore,
    model: string | undefined,
    config: ResolvedConfig,
    data: string | undefined,
  ): Promise<unknown> {
    const plan = model === undefined ? undefined : await previewTraining({ store, model, config, data });
    if (!this.jsonEnabled()) {
      this.log(printConfig(config).trimEnd());
      if (plan) for (const [name, value] of previewFacts(plan)) this.log(`# ${name}: ${value}`);
    }
    return plan === undefined ? config : { ...config, plan };
  }

  private resolve(flags: {
    config?: string | undefined;
    set?: string[] | undefined;
    method?: string | undefined;
    steps?: number | undefined;
    epochs?: string | undefined;
    seed?: number | undefined;
    threads?: number | undefined;
    compute?: string | undefined;
    dtype?: string | undefined;
    targets?: string | undefined;
    'init-adapter'?: string | undefined;
  }): ResolvedConfig {
    const layers: Layer[] = [];
    if (flags.config !== undefined) layers.push(yamlLayer(flags.config));
    layers.push(setLayer(flags.set ?? []));
    layers.push(
      flagLayer({
        method: { flag: '--method', value: flags.method },
        seed: { flag: '--seed', value: flags.seed },
        threads: { flag: '--threads', value: flags.threads },
        compute: { flag: '--compute', value: flags.compute },
        'model.dtype': { flag: '--dtype', value: flags.dtype },
        'lora.targets': { flag: '--targets', value: flags.targets },
        'lora.init_adapter': { flag: '--init-adapter', value: flags['init-adapter'] },
        'train.steps': { flag: '--steps', value: flags.steps },
        'train.epochs': { flag: '--epochs', value: number(flags.epochs) },
      }),
    );
    return resolveConfig(layers);
  }
}

/** A number if it is one; else the text, for the schema to name. */
function number(text: string | undefined): number | string | undefined {
  if (text === undefined) return undefined;
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

function missingData(): MftError {
  return new MftError('--data is missing', {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: ['Give a text in UTF-8, or JSON Lines (docs/data.md).', 'mft train --help'],
  });
}
