/** What the numbers of a measurement come to. */
import { ExitCode, MftError } from '../base/errors.ts';
import type { mft } from '../protocol/index.ts';
import { VARIANTS } from './names.ts';
import type { EngineReport, EngineSettings, GemmLine, OpLine } from './types.ts';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

const GIGA = 1e9;

function flopsOf({ m, n, k }: mft.v1.IGemmTime): number {
  return 2 * (m ?? 0) * (n ?? 0) * (k ?? 0);
}

export function noAnswer(): MftError {
  return new MftError('the measurement gave no result', { code: 'bench.failed', exit: ExitCode.internal });
}

/** @param device "host", or a phone's serial */
export function engineReport(
  settings: EngineSettings,
  device: string,
  answer: mft.v1.IEngineBenchReport | null | undefined,
): EngineReport {
  const steps = answer?.stepSeconds ?? [];
  if (!answer || steps.length === 0) throw noAnswer();
  const seconds = median(steps);
  const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  const ops = (answer.ops ?? []).map((op): OpLine => {
    const took = op.seconds ?? 0;
    return {
      name: op.name ?? '',
      seconds: took,
      share: took / mean,
      calls: op.calls ?? 0,
      gflops: op.flops ? op.flops / took / GIGA : null,
    };
  });
  ops.sort((a, b) => b.seconds - a.seconds);
  const flops = answer.workFlops ?? 0;
  const gflops = flops / seconds / GIGA;
  const { model, method, batch, sequence, dtype, compute } = settings;
  return {
    model,
    method,
    batch,
    sequence,
    dtype,
    compute,
    device,
    isa: answer.isa ?? '',
    threads: answer.threads ?? 0,
    parameters: answer.parameters ?? 0,
    trainable_parameters: answer.trainableParameters ?? 0,
    step_seconds: seconds,
    steps: [...steps],
    tokens_per_second: (batch * sequence) / seconds,
    ops,
    other_seconds: mean - ops.reduce((sum, op) => sum + op.seconds, 0),
    peak_rss_bytes: answer.peakRssBytes ?? 0,
    loss: answer.loss ?? Number.NaN,
    work: {
      flops,
      matrix_parameters: answer.matrixParameters ?? 0,
      attention_flops: answer.attentionFlops ?? 0,
      recomputed_flops: answer.recomputedFlops ?? 0,
    },
    gflops,
    yardstick: yardstickOf(answer, gflops),
    against: null,
  };
}

function yardstickOf(answer: mft.v1.IEngineBenchReport, gflops: number): EngineReport['yardstick'] {
  if (!answer.yardstick) return null;
  let [flops, seconds] = [0, 0];
  const gemms = (answer.yardstickGemms ?? []).map((gemm) => {
    const [count, took] = [gemm.count ?? 0, gemm.yardstickSeconds ?? 0];
    flops += count * flopsOf(gemm);
    seconds += count * took;
    const [m, n, k] = [gemm.m ?? 0, gemm.n ?? 0, gemm.k ?? 0];
    return { variant: VARIANTS[gemm.variant ?? 0], m, n, k, count, gflops: flopsOf(gemm) / took / GIGA };
  });
  const rate = flops / seconds / GIGA;
  return { library: answer.yardstick, gflops: rate, share: gflops / rate, gemms };
}

export function gemmLine(gemm: mft.v1.IGemmTime): GemmLine {
  const rate = (seconds: number | null | undefined) => flopsOf(gemm) / (seconds ?? 0) / GIGA;
  const [own, f32] = [rate(gemm.seconds), rate(gemm.f32Seconds)];
  const yardstick = gemm.yardstickSeconds ? rate(gemm.yardstickSeconds) : null;
  return {
    variant: VARIANTS[gemm.variant ?? 0],
    m: gemm.m ?? 0,
    n: gemm.n ?? 0,
    k: gemm.k ?? 0,
    gflops: own,
    f32_gflops: f32,
    share_of_f32: own / f32,
    yardstick_gflops: yardstick,
    ratio: yardstick === null ? null : own / yardstick,
  };
}
