import { Flags } from '@oclif/core';
import { mft } from '../protocol/index.ts';
import { RunStore } from '../runs/index.ts';
import { DevicePhone, planEvaluation } from '../session/index.ts';
import { BaseCommand } from './base.ts';
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
import { endingLines, exitCodeOf, followRun } from './shared/follow.ts';
import { withProgress } from './shared/progress.ts';
import { prose } from './shared/prose.ts';
import { viewMode } from './shared/view-mode.ts';

export default class Eval extends BaseCommand {
  static override summary = 'Measure the perplexity of a model on a text, on the phone.';
  static override description =
    prose(`The text is cut into rows of --sequence-length tokens; every token but the very first is
predicted once, and what is left at the end without filling a row is not.

Exit codes: 0 done, 5 failed, 6 contact lost (docs/errors.md).`);
  static override examples = [
    '<%= config.bin %> eval --model gpt2 --data test.txt',
    '<%= config.bin %> eval --adapter gpt2-20261122-1a2b --data test.txt --json',
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
      helpValue: 'FILE',
      summary: 'A text; device:/PATH is a file on the phone.',
    }),
    'sequence-length': Flags.integer({
      min: 2,
      summary: 'Tokens in a row; default: 128, or what the model can see.',
    }),
    'batch-size': Flags.integer({ min: 1, max: 4096, default: 8, summary: 'Rows at a time.' }),
    threads: threadsFlag,
    compute: computeFlag,
    dtype: dtypeFlag,
    wait: waitFlag,
    plain: plainFlag,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Eval);
    using store = RunStore.open();
    const { model, adapter } = resolveModel(store, flags);
    const device = await openDevice(flags);
    const { data, threads, compute, dtype } = flags;
    const sequenceLength = flags['sequence-length'];
    const batchSize = flags['batch-size'];
    const request = { model, adapter, dtype, data, sequenceLength, batchSize, threads, compute };
    const run = await withProgress({ quiet: this.jsonEnabled() }, (operation) =>
      planEvaluation({ store, device, ...request }, operation),
    );
    const phone = new DevicePhone(device);
    let result: mft.v1.Evaluation | undefined;
    const followed = await followRun({
      store,
      phone,
      id: run.id,
      mode: this.jsonEnabled() ? 'silent' : viewMode({ json: false, plain: flags.plain }),
      session: { contactMs: flags.wait * 1000 },
      onSignal: (signal) => {
        if (signal.type === 'event' && signal.event.evaluation) result = signal.event.evaluation;
      },
    });
    if (followed.end.kind !== 'finished' || !result) {
      for (const line of endingLines(run.id, followed)) this.log(line);
      process.exitCode = exitCodeOf(followed);
      return undefined;
    }
    await phone.forget(run).catch(() => {}); // leaves nothing behind that anybody could want
    store.remove(run.id);
    const { loss, perplexity, tokens, durationMs } = result;
    this.log(`perplexity ${perplexity.toFixed(4)}  loss ${loss.toFixed(6)}  tokens ${tokens}`);
    const rows = mft.v1.RunSpec.decode(run.spec).data?.sequenceLength;
    return { loss, perplexity, tokens, duration_ms: durationMs, model, data, sequence_length: rows };
  }
}
