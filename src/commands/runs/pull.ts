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
import { exportFlags, exportLines } from '../shared/export.ts';
import { deviceFlag, runArg } from '../shared/flags.ts';
import { notFinished } from '../shared/follow.ts';
import { withProgress } from '../shared/progress.ts';
import { prose } from '../shared/prose.ts';

export default class RunsPull extends BaseCommand {
  static override summary = "Get a run's result, or export it in another format.";
  static override description =
    prose(`The result is pulled from the phone (unless it is here already), verified, and exported: a LoRA run as a PEFT folder, a
full fine-tuning as a Hugging Face folder. With --out another copy is written; --format hf and gguf merge an adapter into its
model, gguf-adapter writes it alone, for llama.cpp's --lora.`);
  static override examples = [
    '<%= config.bin %> runs pull gpt2-20261122-1a2b',
    '<%= config.bin %> runs pull gpt2-20261122-1a2b --out ./my-gpt2 --format hf --dtype bf16',
    '<%= config.bin %> runs pull gpt2-20261122-1a2b --out my-gpt2.gguf --format gguf --dtype q8_0',
  ];
  static override args = { run: runArg };
  static override flags = {
    device: deviceFlag,
    out: Flags.string({ char: 'o', helpValue: 'PATH', summary: 'The folder or GGUF file to be made.' }),
    format: Flags.option({
      options: ['peft', 'hf', 'gguf', 'gguf-adapter'] as const,
      summary: 'Default: peft for LoRA, hf for full.',
    })(),
    ...exportFlags,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsPull);
    const { out, format, dtype, 'max-shard-size': maxShardBytes } = flags;
    if (out === undefined && [format, dtype, maxShardBytes].some((value) => value !== undefined))
      throw new MftError('--format, --dtype and --max-shard-size need --out', {
        code: 'usage.command-line',
        exit: ExitCode.usage,
        suggestions: ['Name the folder or file to write: --out PATH'],
      });
    using store = RunStore.open();
    const run = store.find(args.run);
    const paths = collectedPaths(store, run.id);
    if (!run.collected || !existsSync(paths.result)) await this.pull(store, run, flags);
    this.log(`Result: ${paths.export}`);
    if (out === undefined) return { run: run.id, ...paths };
    const result = await openResult(paths.result);
    const report = await withProgress({ quiet: this.jsonEnabled() }, async (operation) => {
      const pack = await openModel(run.model, { home: store.home, ...operation });
      return await exportResult(result, pack, {
        ...operation,
        out,
        format: format ?? (result.method === 'full' ? 'hf' : 'peft'),
        dtype,
        maxShardBytes,
        dropout: adapterDropout(run),
      });
    });
    for (const line of exportLines(report)) this.log(line);
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
