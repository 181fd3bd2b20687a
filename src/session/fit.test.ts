import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveConfig, setLayer } from '../config/index.ts';
import type { DeviceProfile } from '../device/index.ts';
import { createModel, type ModelPack, resolveLoraTargets } from '../model/index.ts';
import { checkFits, trainableElements } from './fit.ts';

const home = mkdtempSync(join(tmpdir(), 'mft-fit-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
let pack: ModelPack;
beforeAll(async () => {
  pack = await createModel('m', {
    home,
    family: 'gpt2',
    hidden: 64,
    layers: 2,
    heads: 2,
    positions: 32,
    vocab: 1000,
  });
});

const profile: DeviceProfile = {
  serial: 'S',
  manufacturer: 'Google',
  model: 'Pixel 8',
  androidVersion: '15',
  sdk: 35,
  abis: ['arm64-v8a'],
  abi: 'arm64-v8a',
  memTotalBytes: 8e9,
  memAvailableBytes: 4e9,
  diskFreeBytes: 1e9,
  diskTotalBytes: 1e11,
};

const request = (method: 'lora' | 'full', more: Partial<DeviceProfile> = {}) => {
  const config = resolveConfig([setLayer([`method=${method}`])]);
  const targets = method === 'full' ? [] : resolveLoraTargets(pack.config, { r: 8, alpha: 16 });
  return { config, pack, targets, profile: { ...profile, ...more } };
};

test('counts what is trained: rank x (inputs + outputs) of each target, or everything', () => {
  // Default targets: qkv 64 -> 192 and the attention's projection 64 -> 64, in two blocks.
  const perBlock = 8 * (64 + 192) + 8 * (64 + 64);
  expect(trainableElements({ ...request('lora'), method: 'lora' })).toBe(2 * perBlock);
  expect(trainableElements({ ...request('full'), method: 'full' })).toBe(pack.parameters);
});

test('what fits passes; what can not possibly fit is refused with figures, before anything is pushed', () => {
  expect(() => checkFits(request('full'))).not.toThrow();
  expect(() => checkFits(request('lora'))).not.toThrow();
  const memory = pack.parameters * 16;
  expect(() => checkFits(request('full', { memTotalBytes: memory }))).toThrowError(
    expect.objectContaining({ code: 'device.too-little-memory', exit: 4 }),
  );
  expect(() => checkFits(request('lora', { memTotalBytes: memory }))).not.toThrow();
  expect(() => checkFits(request('full', { diskFreeBytes: 1e6 }))).toThrowError(
    expect.objectContaining({ code: 'device.disk-full', exit: 4 }),
  );
});
