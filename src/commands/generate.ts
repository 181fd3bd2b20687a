import { Flags } from '@oclif/core';
import { printable } from '../base/printable.ts';
import type { mft } from '../protocol/index.ts';
import { RunStore } from '../runs/index.ts';
import { DevicePhone, planGeneration } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { openDevice, resolveModel } from './shared/context.ts';
import { decimal } from './shared/decimal.ts';
import { adapterFlag, computeFlag, deviceFlag, dtypeFlag, threadsFlag, waitFlag } from './shared/flags.ts';
import { endingLines, exitCodeOf, followRun } from './shared/follow.ts';
import { withProgress } from './shared/progress.ts';
import { prose } from './shared/prose.ts';

export default class Generate extends BaseCommand {
  static override summary = 'Let a model write, on the phone.';
  static override description =
    prose(`Continues a prompt with a model, or with a model and an adapter that was trained.

Exit codes: 0 done, 5 failed, 6 contact lost (docs/errors.md).`);
  static override examples = [
    '<%= config.bin %> generate --model gpt2 --prompt "The sea was"',
    '<%= config.bin %> generate --adapter gpt2-20261122-1a2b --prompt "Call me" --temperature 0',
    '<%= config.bin %> generate --model gpt2 --adapter ./my-adapter --prompt "Once" --max-tokens 100 --seed 3',
  ];
  static override flags = {
    device: deviceFlag,
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME|DIR',
      summary: "The model, as mft train takes it; default: that of the adapter's run.",
    }),
    adapter: adapterFlag,
    prompt: Flags.string({ char: 'p', required: true, summary: 'The text to continue.' }),
    'max-tokens': Flags.integer({ min: 1, max: 65_536, default: 64, summary: 'Tokens to write, at most.' }),
    temperature: decimal({ min: 0, max: 100, default: 0.8, summary: '0: always the likeliest token.' }),
    'top-k': Flags.integer({ min: 0, default: 40, summary: 'Choose among this many; 0: off.' }),
    'top-p': decimal({
      min: 0,
      max: 1,
      default: 0,
      summary: 'Choose among the likeliest with this share; 0: off.',
    }),
    seed: Flags.integer({ min: 0, default: 0, summary: 'Same seed, same text.' }),
    threads: threadsFlag,
    compute: computeFlag,
    dtype: dtypeFlag,
    wait: waitFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Generate);
    using store = RunStore.open();
    const { model, adapter } = resolveModel(store, flags);
    const device = await openDevice(flags);
    const { prompt, temperature, seed, threads, compute, dtype } = flags;
    const sampling = {
      prompt,
      temperature,
      seed,
      maxTokens: flags['max-tokens'],
      topK: flags['top-k'],
      topP: flags['top-p'],
    };
    const request = { model, adapter, dtype, sampling, threads, compute };
    const run = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      planGeneration({ store, device, ...request }, operation),
    );
    const phone = new DevicePhone(device);
    let sample: mft.v1.Sample | undefined;
    const followed = await followRun({
      store,
      phone,
      id: run.id,
      mode: 'silent',
      session: { contactMs: flags.wait * 1000 },
      onSignal: (signal) => {
        if (signal.type === 'event' && signal.event.sample) sample = signal.event.sample;
      },
    });
    if (followed.end.kind !== 'finished' || !sample) {
      for (const line of endingLines(run.id, followed)) this.log(line);
      process.exitCode = exitCodeOf(followed);
      return undefined;
    }
    await phone.forget(run).catch(() => {}); // leaves nothing behind that anybody could want
    store.remove(run.id);
    this.log(printable(sample.prompt + sample.text));
    return {
      prompt: sample.prompt,
      text: sample.text,
      tokens: sample.tokens,
      duration_ms: sample.durationMs,
    };
  }
}
