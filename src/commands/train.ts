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
import { DevicePhone, planTraining } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { openDevice } from './shared/context.ts';
import { deviceFlag, plainFlag, threadsFlag, waitFlag } from './shared/flags.ts';
import { endingLines, endRecord, exitCodeOf, followRun } from './shared/follow.ts';
import { prose } from './shared/prose.ts';
import { viewMode } from './shared/view-mode.ts';

export default class Train extends BaseCommand {
  static override summary = 'Fine-tune a model on a phone.';
  static override description =
    prose(`Pushes what the phone lacks, starts the training there and shows it while it goes. The run goes on without this
computer: ^C leaves it (once; twice: at once), \`mft attach RUN\` comes back, \`mft stop RUN\` ends it.

The training text is a UTF-8 file here, or one that is on the phone already and never leaves it: device:/sdcard/notes.txt

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
      description: 'See the configuration as it would be used:',
      command: '<%= config.bin %> train --config configs/gpt2-full.yaml --set train.epochs=3 --dry-run',
    },
  ];
  static override flags = {
    device: deviceFlag,
    model: Flags.string({ char: 'm', helpValue: 'NAME|DIR', summary: 'The base model: mft model ls.' }),
    data: Flags.string({
      helpValue: 'FILE',
      summary: 'The training text; device:/PATH is a file on the phone.',
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
    name: Flags.string({ summary: "First part of the run's id; default: the model's name." }),
    detach: Flags.boolean({ summary: 'Leave as soon as the training has started.', exclusive: ['dry-run'] }),
    'dry-run': Flags.boolean({ summary: 'Print the resolved configuration as YAML and do nothing.' }),
    wait: waitFlag,
    plain: plainFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Train);
    const config = this.resolve(flags);
    if (flags['dry-run']) {
      this.log(printConfig(config).trimEnd());
      return config;
    }
    const { model, data } = flags;
    if (model === undefined || data === undefined) throw missing(model === undefined ? '--model' : '--data');
    using store = RunStore.open();
    const device = await openDevice(flags);
    const run = await planTraining({ store, device, model, data, config, name: flags.name });
    const json = this.jsonEnabled();
    if (json) this.printJsonLine({ type: 'run', run: run.id, device: device.serial, config });
    else this.log(`${run.id}: ${run.method} of ${run.model} on ${run.deviceName} (${device})`);
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

  private resolve(flags: {
    config?: string | undefined;
    set?: string[] | undefined;
    method?: string | undefined;
    steps?: number | undefined;
    epochs?: string | undefined;
    seed?: number | undefined;
    threads?: number | undefined;
  }): ResolvedConfig {
    const layers: Layer[] = [];
    if (flags.config !== undefined) layers.push(yamlLayer(flags.config));
    layers.push(setLayer(flags.set ?? []));
    layers.push(
      flagLayer({
        method: { flag: '--method', value: flags.method },
        seed: { flag: '--seed', value: flags.seed },
        threads: { flag: '--threads', value: flags.threads },
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

function missing(flag: string): MftError {
  return new MftError(`${flag} is missing`, {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: [
      flag === '--model'
        ? 'mft model ls lists the models; mft model import DIR --name NAME adds one.'
        : 'Give a UTF-8 text file.',
      'mft train --help',
    ],
  });
}
