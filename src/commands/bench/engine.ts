import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import {
  type EngineReport,
  findOpenBlas,
  localProgram,
  measureEngine,
  measurePhone,
  STORAGE_NAMES,
} from '../../bench/index.ts';
import { sizeNames } from '../../model/families/index.ts';
import { table } from '../../ui/table.ts';
import { BaseCommand } from '../base.ts';
import { openDevice } from '../shared/context.ts';
import { withProgress } from '../shared/progress.ts';
import { noYardstick } from '../shared/yardstick.ts';

export default class BenchEngine extends BaseCommand {
  static override summary = 'Measure training steps of a model with random weights, here or on a phone.';
  static override description =
    `Two steps warm up, the median of the others counts. What counts as work, and how to have OpenBLAS and PyTorch beside it:
docs/benchmarks.md.`;
  static override examples = [
    '<%= config.bin %> bench engine --model gpt2 --method lora --batch 4 --seq 128 --threads 2',
    {
      description: 'A phone:',
      command: '<%= config.bin %> bench engine --model qwen2.5-0.5b --seq 128 --device R58M12ABCDE',
    },
    {
      description: 'In turn with PyTorch:',
      command:
        '<%= config.bin %> bench engine --model gpt2 --method full --batch 4 --against torch --python venv/bin/python',
    },
  ];
  static override flags = {
    model: Flags.string({ required: true, summary: `Published size: ${sizeNames.join(', ')}.` }),
    method: Flags.option({
      options: ['lora', 'full'] as const,
      default: 'lora',
      summary: 'What is trained.',
    })(),
    batch: Flags.integer({ min: 1, default: 1, summary: 'Rows of a step.' }),
    seq: Flags.integer({ min: 1, default: 128, summary: 'Tokens of a row.' }),
    threads: Flags.integer({ min: 0, max: 64, default: 0, summary: 'Threads; 0: all there are.' }),
    steps: Flags.integer({ min: 1, max: 1000, default: 5, summary: 'Steps that count.' }),
    dtype: Flags.option({
      options: STORAGE_NAMES,
      default: 'f32',
      summary: 'Storage of the base weights.',
    })(),
    compute: Flags.option({
      options: ['f32', 'bf16'] as const,
      default: 'f32',
      summary: 'Arithmetic of the products.',
    })(),
    rank: Flags.integer({ min: 1, max: 4096, default: 8, summary: 'Rank of the adapters (LoRA).' }),
    alpha: Flags.integer({ min: 1, default: 16, summary: 'Alpha of the adapters (LoRA).' }),
    device: Flags.string({ char: 'd', helpValue: 'SERIAL', summary: 'Measure this phone.' }),
    openblas: Flags.string({
      helpValue: 'PATH|none',
      summary: "OpenBLAS's library, to compare with; default: the system's.",
    }),
    against: Flags.option({
      options: ['torch'] as const,
      summary: 'Another program, a step of each in turn.',
    })(),
    python: Flags.string({
      default: 'python3',
      helpValue: 'PATH',
      summary: 'Python with torch, transformers and peft.',
    }),
  };

  async run(): Promise<EngineReport> {
    const { flags } = await this.parse(BenchEngine);
    const {
      model,
      method,
      batch,
      seq: sequence,
      threads,
      steps,
      dtype,
      compute,
      rank,
      alpha,
      python,
    } = flags;
    const settings = { model, method, batch, sequence, threads, steps, dtype, compute, rank, alpha };
    if (flags.device !== undefined && (flags.against !== undefined || flags.openblas !== undefined))
      throw new MftError('a phone is measured alone', {
        code: 'usage.command-line',
        exit: ExitCode.usage,
        suggestions: ['Leave --against and --openblas out, or --device.'],
      });
    const report = await withProgress({ quiet: this.jsonEnabled() }, async ({ signal }) => {
      if (flags.device !== undefined) return measurePhone(await openDevice(flags), settings, signal);
      const against = flags.against === undefined ? undefined : { name: flags.against, python };
      return measureEngine({ ...settings, against, openblas: findOpenBlas(flags.openblas) }, signal);
    });
    this.#show(report);
    if (flags.device === undefined && report.yardstick === null)
      this.log(noYardstick(flags.openblas, (await localProgram()).loads));
    return report;
  }

  #show(report: EngineReport): void {
    const { model, method, batch, sequence, threads, isa, dtype, device } = report;
    const where = device === 'host' ? 'this computer' : device;
    this.log(
      `${model}, ${method}, ${batch} x ${sequence} tokens, ${dtype}: ${where}, ${threads} threads, ${isa}`,
    );
    const ms = (seconds: number) => (seconds * 1e3).toFixed(1);
    this.log(
      `${report.tokens_per_second.toFixed(1)} tokens/s, ${ms(report.step_seconds)} ms a step, peak RSS ${formatBytes(report.peak_rss_bytes)}`,
    );
    const share = (part: number) => `${(100 * part).toFixed(1)} %`;
    const rows = report.ops.map((op) => [
      op.name,
      ms(op.seconds),
      share(op.share),
      op.gflops === null ? '' : op.gflops.toFixed(1),
    ]);
    rows.push(['other', ms(report.other_seconds), share(report.other_seconds / report.step_seconds), '']);
    for (const line of table(['work', 'ms', 'share', 'GFLOP/s'], rows)) this.log(line);
    this.log(`${report.gflops.toFixed(1)} GFLOP/s of ${(report.work.flops / 1e9).toFixed(0)} GFLOP a step`);
    const { yardstick, against } = report;
    if (yardstick !== null)
      this.log(
        `${share(yardstick.share)} of OpenBLAS over the same products (${yardstick.gflops.toFixed(1)} GFLOP/s)`,
      );
    if (against !== null)
      this.log(
        `${against.ratio.toFixed(2)} x ${against.name} ${against.version} (${against.tokens_per_second.toFixed(1)} tokens/s, ${against.variant}, peak RSS ${formatBytes(against.peak_rss_bytes)})`,
      );
  }
}
