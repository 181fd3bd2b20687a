import { Flags } from '@oclif/core';
import {
  findOpenBlas,
  type GemmReport,
  localProgram,
  measureGemm,
  STORAGE_NAMES,
} from '../../bench/index.ts';
import { table } from '../../ui/table.ts';
import { BaseCommand } from '../base.ts';
import { withProgress } from '../shared/progress.ts';
import { noYardstick } from '../shared/yardstick.ts';

export default class BenchGemm extends BaseCommand {
  static override summary = "Measure the engine's matrix products, beside OpenBLAS's.";
  static override description =
    'Calls of the two alternate; medians count. NT is y = x W^T, NN dx = dy W, TN dW = dy^T x (docs/benchmarks.md).';
  static override examples = [
    '<%= config.bin %> bench gemm --threads 1',
    '<%= config.bin %> bench gemm --threads 2 --dtype int4 --json',
    {
      description: 'While another process holds a core:',
      command: '<%= config.bin %> bench gemm --threads 2 --disturbed',
    },
  ];
  static override flags = {
    threads: Flags.integer({ min: 0, max: 64, default: 0, summary: 'Threads; 0: all there are.' }),
    dtype: Flags.option({ options: STORAGE_NAMES, default: 'f32', summary: 'Storage of W.' })(),
    compute: Flags.option({ options: ['f32', 'bf16'] as const, default: 'f32', summary: 'Arithmetic.' })(),
    disturbed: Flags.boolean({ summary: 'Another process keeps one core busy meanwhile.' }),
    rounds: Flags.integer({
      min: 0,
      max: 1000,
      default: 0,
      summary: 'Calls of each product; 0: by its size.',
    }),
    openblas: Flags.string({ helpValue: 'PATH|none', summary: "OpenBLAS's library; default: the system's." }),
  };

  async run(): Promise<GemmReport> {
    const { flags } = await this.parse(BenchGemm);
    const { threads, dtype, compute, disturbed, rounds } = flags;
    const openblas = findOpenBlas(flags.openblas);
    const report = await withProgress({ quiet: this.jsonEnabled() }, ({ signal }) =>
      measureGemm({ threads, dtype, compute, disturbed, rounds, openblas }, signal),
    );
    const state = report.disturbed ? ', disturbed' : '';
    this.log(`${report.dtype}, ${report.threads} threads, ${report.isa}${state}; GFLOP/s`);
    const cell = (value: number | null, digits: number) => (value === null ? '' : value.toFixed(digits));
    const plain = dtype === 'f32' && compute === 'f32';
    const rows = report.gemms.map((gemm) => [
      gemm.variant,
      `${gemm.m} x ${gemm.n} x ${gemm.k}`,
      cell(gemm.gflops, 1),
      ...(plain ? [] : [cell(gemm.share_of_f32, 2)]),
      cell(gemm.yardstick_gflops, 1),
      cell(gemm.ratio, 2),
    ]);
    const head = ['', 'M x N x K', 'mft', ...(plain ? [] : ['of f32']), 'OpenBLAS', 'ratio'];
    for (const line of table(head, rows)) this.log(line);
    if (report.yardstick === null) this.log(noYardstick(flags.openblas, (await localProgram()).loads));
    return report;
  }
}
