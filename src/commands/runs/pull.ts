import { existsSync } from 'node:fs';
import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';
import { exportResult, openModel, openResult } from '../../model/index.ts';
import type { mft } from '../../protocol/index.ts';
import { type RunRecord, RunStore } from '../../runs/index.ts';
import { adapterDropout, collect, collectedPaths } from '../../session/index.ts';
import { plainRenderer } from '../../ui/plain.ts';
import { BaseCommand } from '../base.ts';
import { phoneOf } from '../shared/context.ts';
import { deviceFlag, runArg } from '../shared/flags.ts';
import { notFinished } from '../shared/follow.ts';
import { prose } from '../shared/prose.ts';

export default class RunsPull extends BaseCommand {
  static override summary = "Get a run's result, or export it in another format.";
  static override description =
    prose(`The result is pulled from the phone (unless it is here already), verified, and exported: a LoRA run as a PEFT folder, a
full fine-tuning as a Hugging Face folder. With --out another copy is written; --format hf merges an adapter into its model.`);
  static override examples = [
    '<%= config.bin %> runs pull gpt2-20261122-1a2b',
    '<%= config.bin %> runs pull gpt2-20261122-1a2b --out ./my-gpt2 --format hf --dtype bf16',
  ];
  static override args = { run: runArg };
  static override flags = {
    device: deviceFlag,
    out: Flags.string({ char: 'o', helpValue: 'DIR', summary: 'A folder to be made.' }),
    format: Flags.string({ options: ['peft', 'hf'], summary: 'Default: peft for LoRA, hf for full.' }),
    dtype: Flags.string({ options: ['f32', 'bf16', 'f16'], summary: 'Type of the exported weights (hf).' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsPull);
    if (flags.out === undefined && (flags.format !== undefined || flags.dtype !== undefined))
      throw new MftError('--format and --dtype need --out', {
        code: 'usage.command-line',
        exit: ExitCode.usage,
        suggestions: ['Name the folder to write: --out DIR'],
      });
    using store = RunStore.open();
    const run = store.find(args.run);
    const paths = collectedPaths(store, run.id);
    if (!run.collected || !existsSync(paths.result)) await this.pull(store, run, flags);
    this.log(`Result: ${paths.export}`);
    if (flags.out === undefined) return { run: run.id, ...paths };
    const result = await openResult(paths.result);
    const pack = await openModel(run.model, { home: store.home });
    const format = flags.format === 'hf' || result.method === 'full' ? 'hf' : 'peft';
    const dtype = flags.dtype === 'bf16' || flags.dtype === 'f16' ? flags.dtype : undefined;
    const report = await exportResult(result, pack, {
      out: flags.out,
      format,
      dropout: adapterDropout(run),
      ...(dtype ? { dtype } : {}),
    });
    this.log(`Exported as ${report.format}: ${report.path}`);
    for (const note of report.notes) this.log(note);
    return { run: run.id, ...paths, exported: report };
  }

  private async pull(
    store: RunStore,
    run: RunRecord,
    flags: { device?: string | undefined; 'adb-server'?: string | undefined },
  ): Promise<void> {
    const finished = lastWord(store, run.id);
    if (!finished) throw notFinished(run.id, run.state);
    const renderer = plainRenderer(run.id, (line) => void (this.jsonEnabled() || process.stderr.write(line)));
    const made = await collect(store, await phoneOf(run, flags), run.id, finished, {
      onProgress: (report) => renderer.onSignal({ type: 'transfer', report, timeMs: Date.now() }),
    });
    if (!made)
      throw new MftError(
        `${run.id} leaves no files: it only ${run.task === 'generate' ? 'generated' : 'evaluated'}`,
        {
          code: 'run.no-result',
          exit: ExitCode.usage,
        },
      );
  }
}

function lastWord(store: RunStore, id: string): mft.v1.IFinished | undefined {
  const last = store.lastEvent(id);
  if (!last) return undefined;
  const before = { attempt: last.attempt, sequence: last.sequence - 1 };
  for (const { event } of store.events(id, before)) if (event.finished) return event.finished;
  return undefined;
}
