import { afterAll, beforeAll, expect, test } from 'vitest';
import { deviceProfile, doctor } from '../../src/device/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ profile: 'pixel-8' });
});
afterAll(() => rig?.stop());

test('a profile has the figures of the phone', async () => {
  const profile = await deviceProfile(rig.device);
  expect(profile.serial).toBe(rig.phone.serial);
  expect(profile.model).toMatch(/Pixel 8/);
  expect(profile.sdk).toBeGreaterThanOrEqual(29);
  expect(profile.abi).toBe(rig.phone.abi);
  expect(profile.memTotalBytes).toBeGreaterThan(profile.memAvailableBytes);
  expect(profile.memAvailableBytes).toBeGreaterThan(0);
  expect(profile.diskFreeBytes).toBeGreaterThan(0);
  expect(profile.diskTotalBytes).toBeGreaterThan(profile.diskFreeBytes);
});

test('doctor finds a phone that is well, and says what it looked at', async () => {
  const checks = await doctor(rig.device);
  const names = checks.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      'adb server',
      'connection',
      'shell',
      'android',
      'abi',
      'disk',
      'memory',
      'exec',
      'battery',
      'thermal',
    ]),
  );
  for (const { name, status, detail } of checks.filter(({ name }) => name !== 'runtime'))
    expect.soft(status, `${name}: ${detail}`).not.toBe('fail');
  expect(checks.find(({ name }) => name === 'exec')?.status).toBe('ok');
});

test('doctor for a phone that is not there: one clear finding, no exception', async () => {
  const checks = await doctor(rig.server.device('gone:1'));
  expect(checks.at(-1)).toMatchObject({ name: 'connection', status: 'fail' });
});
