import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { AdbDevice } from '../../src/adb/index.ts';
import { DeviceStore, type StoreItem } from '../../src/device/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

let rig: Rig;
let device: AdbDevice;
let store: DeviceStore;
let folder: string;
beforeAll(async () => {
  rig = await startRig();
  ({ device } = rig);
  store = new DeviceStore(device);
  folder = await mkdtemp(join(tmpdir(), 'mft-store-'));
});
afterAll(async () => {
  await rig?.stop();
  if (folder) await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await device.exec(['rm', '-rf', store.root]);
});

async function item(bytes: number): Promise<StoreItem> {
  const data = randomBytes(bytes);
  const sha256 = createHash('sha256').update(data).digest('hex');
  const localPath = join(folder, sha256);
  await writeFile(localPath, data);
  return { localPath, sha256, bytes };
}

async function namesThere(): Promise<string[]> {
  const { stdout } = await device.exec(['ls', '-A', `${store.root}/store`]);
  return stdout.toString().split('\n').filter(Boolean).sort();
}

test('a phone that mft has never seen: nothing there, nothing to list or free', async () => {
  expect(await store.has(['0'.repeat(64)])).toEqual(new Set());
  expect(await store.list()).toEqual([]);
  expect(await store.gc([])).toEqual({ files: 0, bytes: 0 });
});

test('files are put once and known by their hash', async () => {
  const files = [await item(0), await item(5), await item(300_000)];
  expect(await store.putAll(files)).toBe(300_005);
  const hashes = files.map(({ sha256 }) => sha256);
  expect(await store.has([...hashes, 'f'.repeat(64)])).toEqual(new Set(hashes));
  expect(await store.putAll(files)).toBe(0);
  expect(await store.put(files[2]?.localPath ?? '', hashes[2] ?? '')).toBe(0);
  expect((await store.list()).sort((a, b) => a.bytes - b.bytes)).toEqual(
    files.map(({ sha256, bytes }) => ({ sha256, bytes })),
  );
  for (const sha256 of hashes) {
    const { stdout } = await device.exec(['sha256sum', store.path(sha256)]);
    expect(stdout.toString().slice(0, 64)).toBe(sha256);
  }
});

test('only its owner can look into the folder', async () => {
  await store.prepare();
  expect(((await device.stat(store.root))?.mode ?? 0) & 0o777).toBe(0o700);
});

test('more hashes than one command line holds', async () => {
  const files = [await item(1), await item(2)];
  await store.putAll(files);
  const [first, last] = files.map(({ sha256 }) => sha256);
  const others = Array.from({ length: 1500 }, () => randomBytes(32).toString('hex'));
  expect(await store.has([first ?? '', ...others, last ?? ''])).toEqual(new Set([first, last]));
});

test('a program keeps its mode', async () => {
  const { localPath, sha256 } = await item(10);
  await store.put(localPath, sha256, { mode: 0o755 });
  expect(((await device.stat(store.path(sha256)))?.mode ?? 0) & 0o777).toBe(0o755);
});

test('progress counts what is sent, over all files', async () => {
  const files = [await item(200_000), await item(100_000), await item(50_000)];
  await store.putAll(files.slice(1, 2));
  const reports: [number, number][] = [];
  await store.putAll(files, { onProgress: ({ done, total }) => reports.push([done, total]) });
  expect(reports.every(([, total]) => total === 250_000)).toBe(true);
  expect(reports.at(-1)).toEqual([250_000, 250_000]);
});

test('a file that is not what its name says never gets it', async () => {
  const { localPath } = await item(1000);
  const wrong = 'a'.repeat(64);
  await expect(store.put(localPath, wrong)).rejects.toMatchObject({ code: 'adb.source-changed' });
  expect(await store.has([wrong])).toEqual(new Set());
  await expect.poll(namesThere, { timeout: 5000 }).toEqual([]);
});

test('a push that broke off goes on with the next missing file', async () => {
  const files = [await item(400_000), await item(40 << 20), await item(300_000)];
  const [first, second, third] = files.map(({ sha256 }) => sha256);
  let cut: Promise<void> | undefined;
  const push = store.putAll(files, {
    onProgress: ({ done }) => {
      if (done > 20 << 20) cut ??= rig.phone.fault('disconnect');
    },
  });
  await expect(push).rejects.toMatchObject({ code: 'adb.transport-lost' });
  await cut;
  await device.reconnect({ timeoutMs: 20_000 });
  expect(await store.has([first ?? '', second ?? '', third ?? ''])).toEqual(new Set([first]));
  expect(await namesThere()).toEqual([first]);
  expect(await store.putAll(files)).toBe((40 << 20) + 300_000);
  expect(await store.has([first ?? '', second ?? '', third ?? ''])).toEqual(new Set([first, second, third]));
});

test('gc keeps what is needed, frees the rest and what broken pushes left long ago', async () => {
  const files = [await item(100), await item(200), await item(300)];
  await store.putAll(files);
  const part = (age: string) => `${store.root}/store/.mft-part-${age}`;
  await device.push(Buffer.alloc(50), part('0a'), { mtime: new Date(Date.now() - 3 * 24 * 3600 * 1000) });
  await device.push(Buffer.alloc(50), part('0b')); // perhaps another host's, at this moment
  const kept = files[1]?.sha256 ?? '';
  expect(await store.gc([kept, 'b'.repeat(64)])).toEqual({ files: 3, bytes: 450 });
  expect(await namesThere()).toEqual(['.mft-part-0b', kept]);
});

test('names are checked before they become a path', () => {
  expect(() => store.path('../../../etc/passwd')).toThrow(RangeError);
  expect(() => store.path('A'.repeat(64))).toThrow(RangeError);
  expect(() => store.runPath('../x')).toThrow(RangeError);
  expect(store.runPath('brave-owl-1')).toBe(`${store.root}/runs/brave-owl-1`);
});

test('a full phone is told before anything is sent, with figures', async () => {
  const files = [await item(2 << 20)];
  await rig.phone.fault('disk-full', { bytes: 1 << 20 });
  try {
    await expect(store.putAll(files)).rejects.toMatchObject({
      code: 'device.disk-full',
      exit: 4,
      message: expect.stringMatching(/2\.1 MB are to be pushed.*only [\d.]+ (kB|MB|B) are free/),
    });
    // One that fills up while it is being written to.
    await expect(device.push(randomBytes(4 << 20), '/data/local/tmp/too-much')).rejects.toMatchObject({
      code: 'device.disk-full',
      exit: 4,
    });
  } finally {
    await rig.phone.fault('clear');
  }
  expect(await device.stat('/data/local/tmp/too-much')).toBeUndefined();
  expect(await store.putAll(files)).toBe(2 << 20);
});
