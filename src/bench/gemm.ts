/** Matrix products against OpenBLAS, in one process, calls alternating. */
import { mft } from '../protocol/index.ts';
import { DTYPES } from './names.ts';
import { localProgram, runProgram } from './program.ts';
import { gemmLine, noAnswer } from './report.ts';
import type { GemmReport, GemmSettings } from './types.ts';

/** Linear layers: tokens, in, out. Of GPT-2 124M at 4 x 128 tokens, of Qwen2.5-0.5B at 1 x 128, and a square one. */
export const LAYERS: readonly (readonly [number, number, number])[] = [
  [512, 768, 2304],
  [512, 768, 3072],
  [512, 3072, 768],
  [512, 768, 50257],
  [128, 896, 4864],
  [1024, 1024, 1024],
];

export async function measureGemm(
  settings: GemmSettings,
  signal?: AbortSignal,
  layers = LAYERS,
): Promise<GemmReport> {
  const { threads, dtype, compute, disturbed, rounds } = settings;
  const program = await localProgram();
  const gemm = {
    layers: layers.map(([tokens, input, out]) => ({ tokens, in: input, out })),
    threads,
    dtype: DTYPES[dtype],
    compute: compute === 'bf16' ? mft.v1.ComputeType.COMPUTE_BF16 : mft.v1.ComputeType.COMPUTE_F32,
    disturbed,
    rounds,
  };
  const yardstick = program.loads ? (settings.openblas ?? '') : '';
  const { gemm: answer } = await runProgram(program, { gemm, yardstick }, { signal });
  if (!answer) throw noAnswer();
  return {
    isa: answer.isa ?? '',
    threads: answer.threads ?? 0,
    dtype,
    compute,
    disturbed,
    yardstick: answer.yardstick || null,
    gemms: (answer.gemms ?? []).map(gemmLine),
  };
}
