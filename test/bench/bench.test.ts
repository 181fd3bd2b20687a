/** `mft bench` end to end, by the runtime that is here; never how fast it is. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EngineReport, type GemmReport, measureGemm } from '../../src/bench/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

const TINY = ['--model', 'distilgpt2', '--batch', '2', '--seq', '4', '--threads', '2', '--steps', '2'];
const folder = mkdtempSync(join(tmpdir(), 'mft-bench-test-'));
let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(async () => {
  await rig?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function mft(...args: string[]) {
  const result = await execa(process.execPath, [join(import.meta.dirname, '../support/cli.ts'), ...args], {
    env: { ...rig.adb.env, MFT_HOME: folder, MFT_ADB_SERVER: `127.0.0.1:${rig.adb.port}` },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  return { exitCode: result.exitCode, text: result.stdout, err: result.stderr };
}

async function report(...args: string[]): Promise<EngineReport> {
  const { text, err } = await mft('bench', 'engine', ...args, '--json');
  expect(err).toBe('');
  return JSON.parse(text);
}

function expectSane(result: EngineReport, threads: number) {
  expect(result).toMatchObject({ model: 'distilgpt2', batch: 2, sequence: 4, threads, against: null });
  expect(result.steps).toHaveLength(2);
  expect(result.tokens_per_second).toBeCloseTo(8 / result.step_seconds, 6);
  const matrices = 6 * 12 * 768 * 768 + 50257 * 768;
  expect(result.work.matrix_parameters).toBe(matrices);
  expect(result.work.flops - result.work.attention_flops).toBe(4 * 8 * matrices);
  expect(result.gflops).toBeCloseTo(result.work.flops / result.step_seconds / 1e9, 6);
  expect(result.loss).toBeGreaterThan(Math.log(50257) - 2);
  expect(result.peak_rss_bytes).toBeGreaterThan(4 * matrices);
  const mean = result.steps.reduce((sum, step) => sum + step, 0) / 2;
  const parts = result.ops.reduce((sum, op) => sum + op.seconds, 0);
  expect(parts + result.other_seconds).toBeCloseTo(mean, 6);
  expect(result.ops.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['gemm', 'adapters', 'attention', 'head', 'optimizer']),
  );
}

test('steps on this computer, for people and as JSON', async () => {
  expectSane(await report(...TINY, '--openblas', 'none'), 2);
  const { text, exitCode } = await mft('bench', 'engine', ...TINY, '--openblas', 'none');
  expect(exitCode).toBe(0);
  expect(text).toMatch(/^distilgpt2, lora, 2 x 4 tokens, f32: this computer, 2 threads/);
  expect(text).toMatch(/tokens\/s/);
  expect(text).toContain('Without OpenBLAS, as asked.');
});

test('the same on a phone', async () => {
  const result = await report(...TINY, '--device', rig.phone.serial);
  expectSane(result, 2);
  expect(result.device).toBe(rig.phone.serial);
  expect(result.yardstick).toBeNull();
  const left = await rig.device.exec(['ls', '/data/local/tmp/mft']);
  expect(left.stdout.toString()).not.toContain('bench-');
});

test('a step of another program for each of ours', async () => {
  const peer = join(folder, 'python');
  const script = `#!/bin/sh
echo '{"version":"9.9","variant":"plain","tried":{"plain":1.5}}'
while read -r line; do echo '{"seconds":1.5}'; done
echo '{"peak_rss_bytes":1000}'
`;
  writeFileSync(peer, script);
  chmodSync(peer, 0o755);
  const { against, tokens_per_second } = await report(
    ...[...TINY, '--openblas', 'none', '--against', 'torch', '--python', peer],
  );
  expect(against).toMatchObject({
    version: '9.9',
    steps: [1.5, 1.5],
    step_seconds: 1.5,
    peak_rss_bytes: 1000,
  });
  expect(against?.ratio).toBeCloseTo(tokens_per_second / (8 / 1.5), 6);
});

test('products of every storage', async () => {
  for (const dtype of ['f32', 'bf16', 'int8', 'int4'] as const) {
    const settings = { threads: 2, dtype, compute: 'f32', disturbed: dtype === 'f32', rounds: 2 } as const;
    const result: GemmReport = await measureGemm(settings, undefined, [[8, 96, 40]]);
    expect(result.gemms.map(({ variant }) => variant)).toEqual(
      dtype === 'f32' ? ['NT', 'NN', 'TN'] : ['NT', 'NN'],
    );
    for (const gemm of result.gemms) {
      expect(gemm.m * gemm.n * gemm.k).toBe(8 * 96 * 40);
      expect(gemm.gflops).toBeGreaterThan(0);
      expect(gemm.share_of_f32).toBeCloseTo(gemm.gflops / gemm.f32_gflops, 6);
      expect(gemm.ratio).toBeNull();
    }
  }
});

test('what can not be measured is an error that says why', async () => {
  const failing = async (...args: string[]) => {
    const { text, exitCode } = await mft('bench', ...args, '--json');
    const { error } = JSON.parse(text);
    expect(error.exit).toBe(exitCode);
    return error as { code: string; message: string; suggestions: string[] };
  };
  const typo = await failing('engine', '--model', 'gpt2-mediun');
  expect(typo.code).toBe('bench.unknown-model');
  expect(typo.suggestions).toContain('Did you mean gpt2-medium?');
  expect((await failing('engine', '--model', 'gpt2', '--seq', '1025')).code).toBe('bench.too-long');
  expect((await failing('engine', '--model', 'gpt2', '--method', 'full', '--dtype', 'int8')).code).toBe(
    'bench.full-dtype',
  );
  expect((await failing('engine', ...TINY, '--openblas', '/no/libopenblas.so')).code).toBe(
    'bench.no-yardstick',
  );
  expect((await failing('engine', ...TINY, '--device', 'x', '--against', 'torch')).code).toBe(
    'usage.command-line',
  );
  const stranger = await failing('engine', ...TINY, '--against', 'torch', '--python', '/no/python');
  expect(stranger.code).toBe('bench.no-peer');
});
