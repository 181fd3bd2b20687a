/** What is measured and what comes of it, as `--json` prints it. Times are seconds, rates 10^9 operations a second. */
import type { StorageName } from './names.ts';

export interface EngineSettings {
  model: string;
  method: 'lora' | 'full';
  batch: number;
  sequence: number;
  /** 0: all that the process may use. */
  threads: number;
  steps: number;
  dtype: StorageName;
  compute: 'f32' | 'bf16';
  rank: number;
  alpha: number;
  /** Measure this, too, a step of each in turn. */
  against?: PeerSettings | undefined;
  /** Library of OpenBLAS; undefined: without. */
  openblas?: string | undefined;
}

export interface PeerSettings {
  name: 'torch';
  python: string;
}

export interface GemmSettings {
  threads: number;
  dtype: StorageName;
  compute: 'f32' | 'bf16';
  disturbed: boolean;
  /** Calls of each product; 0: by its size. */
  rounds: number;
  openblas?: string | undefined;
}

export interface GemmLine {
  /** NT: y = x W^T; NN: dx = dy W; TN: dW = dy^T x. */
  variant: 'NT' | 'NN' | 'TN';
  m: number;
  n: number;
  k: number;
  gflops: number;
  f32_gflops: number;
  /** gflops / f32_gflops. */
  share_of_f32: number;
  yardstick_gflops: number | null;
  /** gflops / yardstick_gflops. */
  ratio: number | null;
}

export interface GemmReport {
  isa: string;
  threads: number;
  dtype: StorageName;
  compute: 'f32' | 'bf16';
  disturbed: boolean;
  yardstick: string | null;
  gemms: GemmLine[];
}

export interface OpLine {
  name: string;
  seconds: number;
  share: number;
  calls: number;
  /** Of its matrix products; null: it has none. */
  gflops: number | null;
}

export interface PeerReport {
  name: string;
  version: string;
  /** How it was set up: the fastest of what was tried. */
  variant: string;
  tried: Record<string, number>;
  step_seconds: number;
  steps: number[];
  tokens_per_second: number;
  peak_rss_bytes: number;
  /** Our tokens a second by its. */
  ratio: number;
}

export interface EngineReport {
  model: string;
  method: 'lora' | 'full';
  batch: number;
  sequence: number;
  dtype: StorageName;
  compute: 'f32' | 'bf16';
  /** Where it ran: "host", or a phone's serial. */
  device: string;
  isa: string;
  threads: number;
  parameters: number;
  trainable_parameters: number;
  /** Median of the steps. */
  step_seconds: number;
  steps: number[];
  tokens_per_second: number;
  ops: OpLine[];
  /** Of a step, in none of the ops. */
  other_seconds: number;
  peak_rss_bytes: number;
  loss: number;
  work: {
    /** Of a step: passes x tokens x matrix parameters + attention + recomputed. */
    flops: number;
    matrix_parameters: number;
    attention_flops: number;
    recomputed_flops: number;
  };
  gflops: number;
  yardstick: {
    library: string;
    /** Over the model's own products, weighted by their work. */
    gflops: number;
    /** gflops of the engine by it. */
    share: number;
    gemms: { variant: string; m: number; n: number; k: number; count: number; gflops: number }[];
  } | null;
  against: PeerReport | null;
}
