import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdbDevice } from '../../src/adb/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

const BASE = '/data/local/tmp/transfer test';
let rig: Rig;
let device: AdbDevice;
let folder: string;
beforeAll(async () => {
  rig = await startRig();
  ({ device } = rig);
  folder = await mkdtemp(join(tmpdir(), 'mft-transfer-'));
  await device.exec(['rm', '-rf', BASE]);
  await device.exec(['mkdir', '-p', BASE]);
});
afterAll(async () => {
  await rig?.stop();
  if (folder) await rm(folder, { recursive: true });
});

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

async function namesThere(): Promise<string[]> {
  const { stdout } = await device.exec(['ls', '-A', BASE]);
  return stdout.toString().split('\n').filter(Boolean);
}

test.each([0o755, 0o644, 0o600, 0o700, 0o640])('mode %i is the mode afterwards', async (mode) => {
  const remote = `${BASE}/mode-${mode.toString(8)}`;
  await device.push(Buffer.from('#!/system/bin/sh\nexit 5\n'), remote, { mode });
  expect(((await device.stat(remote))?.mode ?? 0) & 0o7777).toBe(mode);
  if (mode & 0o100) expect((await device.exec([remote])).exitCode).toBe(5);
});

test('the time of change is the one given', async () => {
  const mtime = new Date('2001-09-09T01:46:40Z');
  await device.push(Buffer.from('x'), `${BASE}/old`, { mtime });
  expect((await device.stat(`${BASE}/old`))?.mtime).toEqual(mtime);
});

test.each([
  "it's",
  '"quoted" $HOME `id`',
  ' blanks  around ',
  'two\nlines',
  'größe 日本 🤖',
  '-rf',
  'comma,0644',
  '\\back\\slash',
  '*?[a]',
])('a file named %j goes there and back', async (name) => {
  const remote = `${BASE}/${name}`;
  const data = randomBytes(1000);
  await device.push(data, remote, { sha256: true });
  expect((await device.stat(remote))?.size).toBe(1000);
  const local = join(folder, 'back');
  const pulled = await device.pull(remote, local, { sha256: true });
  expect(pulled).toEqual({ bytes: 1000, sha256: sha256(data) });
  expect((await readFile(local)).equals(data)).toBe(true);
});

test.each([0, 1, 65_535, 65_536, 65_537, 3 << 20])(
  '%i bytes: file, buffer and stream, private or not',
  async (size) => {
    const data = randomBytes(size);
    const local = join(folder, 'source');
    await writeFile(local, data);
    const remote = `${BASE}/sized`;
    for (const mode of [0o644, 0o600]) {
      for (const source of [
        local,
        data,
        Readable.from([data.subarray(0, size >> 1), data.subarray(size >> 1)]),
      ]) {
        const done: number[] = [];
        const result = await device.push(source, remote, {
          sha256: true,
          mode,
          onProgress: (report) => done.push(report.done),
        });
        expect(result).toEqual({ bytes: size, sha256: sha256(data) });
        expect(done.at(-1) ?? 0).toBe(size);
        expect(done).toEqual([...done].sort((a, b) => a - b));
      }
    }
    const back = join(folder, 'sized');
    await device.pull(remote, back, { sha256: true });
    expect((await readFile(back)).equals(data)).toBe(true);
  },
);

test('a push replaces a file as a whole', async () => {
  const remote = `${BASE}/replaced`;
  await device.push(Buffer.from('a longer first content'), remote);
  await device.push(Buffer.from('second'), remote);
  expect((await device.exec(['cat', remote])).stdout.toString()).toBe('second');
});

test('data that are not what they should be never get their name', async () => {
  const remote = `${BASE}/not-it`;
  const wanted = sha256(Buffer.from('something else'));
  await expect(device.push(Buffer.from('this'), remote, { sha256: wanted })).rejects.toMatchObject({
    code: 'adb.source-changed',
    exit: 2,
  });
  expect(await device.stat(remote)).toBeUndefined();
  await device.push(Buffer.from('this'), remote);
  const local = join(folder, 'not-it');
  await expect(device.pull(remote, local, { sha256: wanted })).rejects.toMatchObject({
    code: 'adb.pull-corrupt',
  });
  expect((await readdir(folder)).filter((name) => name.startsWith('not-it'))).toEqual([]);
});

test('where nothing can be written', async () => {
  await device.push(Buffer.from('x'), `${BASE}/file`);
  for (const remote of ['/proc/mft/x', `${BASE}/file/x`, BASE]) {
    await expect(device.push(Buffer.alloc(200_000), remote)).rejects.toMatchObject({
      code: 'adb.push-refused',
      exit: 4,
    });
  }
  await expect(device.push(Buffer.from('x'), 'relative')).rejects.toMatchObject({
    code: 'adb.bad-path',
    exit: 2,
  });
  await expect(device.push(join(folder, 'nowhere'), `${BASE}/x`)).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(device.push(folder, `${BASE}/x`)).rejects.toMatchObject({ code: 'adb.not-a-file' });
});

test('what can not be pulled leaves nothing behind', async () => {
  const local = join(folder, 'missing');
  await expect(device.pull(`${BASE}/missing`, local)).rejects.toMatchObject({
    code: 'adb.pull-refused',
    exit: 4,
  });
  await expect(device.pull(BASE, local)).rejects.toMatchObject({ code: 'adb.pull-refused' });
  expect((await readdir(folder)).filter((name) => name.startsWith('missing'))).toEqual([]);
});

test('the size of a file over 4 GiB is true', async () => {
  const remote = `${BASE}/sparse`;
  const size = 5 * 2 ** 30 + 7;
  await device.push(Buffer.from('x'), remote);
  await truncate(join(rig.phone.root, remote), size);
  expect((await device.stat(remote))?.size).toBe(size);
  await device.exec(['rm', remote]);
});

test('stat tells a file, a folder and nothing apart', async () => {
  expect(await device.stat(`${BASE}/nothing`)).toBeUndefined();
  expect(await device.stat(`${BASE}/file/below-a-file`)).toBeUndefined();
  expect((await device.stat(BASE))?.isDirectory).toBe(true);
  expect((await device.stat(`${BASE}/file`))?.isFile).toBe(true);
});

test('a push that is interrupted at half leaves nothing under its name, nor beside it', async () => {
  const data = randomBytes(48 << 20);
  const remote = `${BASE}/interrupted`;
  const before = await namesThere();
  let cut: Promise<void> | undefined;
  const push = device.push(data, remote, {
    onProgress: ({ done }) => {
      if (done > data.length / 2) cut ??= rig.phone.fault('disconnect');
    },
  });
  await expect(push).rejects.toMatchObject({ code: 'adb.transport-lost', exit: 6 });
  await cut;
  await device.reconnect({ timeoutMs: 20_000 });
  expect(await device.stat(remote)).toBeUndefined();
  expect(await namesThere()).toEqual(before);
});

test('a push that is cancelled at half, and one whose source fails', async () => {
  const data = randomBytes(32 << 20);
  const remote = `${BASE}/cancelled`;
  const before = await namesThere();
  const controller = new AbortController();
  const push = device.push(data, remote, {
    signal: controller.signal,
    onProgress: ({ done }) => {
      if (done > data.length / 2) controller.abort(new Error('^C'));
    },
  });
  await expect(push).rejects.toThrow('^C');
  async function* failing() {
    yield randomBytes(100_000);
    throw new Error('read error');
  }
  await expect(device.push(Readable.from(failing()), remote)).rejects.toThrow('read error');
  expect(await device.stat(remote)).toBeUndefined();
  await expect.poll(namesThere, { timeout: 5000 }).toEqual(before);
});

test('a pull that loses the transport leaves nothing', async () => {
  const remote = `${BASE}/large`;
  await device.push(randomBytes(48 << 20), remote);
  const local = join(folder, 'large');
  let cut: Promise<void> | undefined;
  const pull = device.pull(remote, local, {
    onProgress: ({ done }) => {
      if (done > 4 << 20) cut ??= rig.phone.fault('disconnect');
    },
  });
  await expect(pull).rejects.toMatchObject({ code: 'adb.transport-lost' });
  await cut;
  expect((await readdir(folder)).filter((name) => name.startsWith('large'))).toEqual([]);
  await device.reconnect({ timeoutMs: 20_000 });
});

test('a transfer on a phone that stalls is lost, not endless', async () => {
  const data = randomBytes(64 << 20);
  let stalled: Promise<void> | undefined;
  const push = device.push(data, `${BASE}/stalled`, {
    stallMs: 1000,
    onProgress: ({ done }) => {
      if (done > 1 << 20) stalled ??= rig.phone.fault('stall', { seconds: 4 });
    },
  });
  await expect(push).rejects.toMatchObject({ code: 'adb.transport-lost' });
  await stalled;
  await device.reconnect({ timeoutMs: 30_000 });
  expect(await device.stat(`${BASE}/stalled`)).toBeUndefined();
});
