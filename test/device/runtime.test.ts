import { afterAll, beforeAll, expect, test } from 'vitest';
import { DeviceStore, deviceProfile, doctor, Runtime } from '../../src/device/index.ts';
import { encodeFrame, mft } from '../../src/protocol/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

let rig: Rig;
let store: DeviceStore;
beforeAll(async () => {
  rig = await startRig();
  store = new DeviceStore(rig.device);
});
afterAll(() => rig?.stop());

test('the packaged runtime is put on the phone once, and answers', async () => {
  const { abi } = await deviceProfile(rig.device);
  await rig.device.exec(['rm', '-rf', store.root]);
  const sent: number[] = [];
  const runtime = await Runtime.deploy(store, abi, { onProgress: ({ done }) => sent.push(done) });
  expect(sent.length).toBeGreaterThan(0);
  expect(await runtime.version()).toMatch(/\d+\.\d+/);
  const facts = await runtime.facts();
  expect(facts.abi).toBe(abi);
  expect(facts.usableCpus).toBeGreaterThan(0);
  expect([4096, 16384]).toContain(facts.pageSize);
  const before = sent.length;
  const again = await Runtime.deploy(store, abi, { onProgress: ({ done }) => sent.push(done) });
  expect(again.path).toBe(runtime.path);
  expect(sent.length).toBe(before);
  const [hash] = await runtime.hash([runtime.path]);
  expect(store.path(hash ?? '')).toBe(runtime.path);
  expect((await doctor(rig.device)).find(({ name }) => name === 'runtime')?.status).toBe('ok');
});

test('a run that does not exist', async () => {
  const { abi } = await deviceProfile(rig.device);
  const runtime = await Runtime.deploy(store, abi);
  await expect(runtime.start('no-such-run')).rejects.toMatchObject({ code: 'runtime.bad-request', exit: 2 });
  expect((await runtime.status('no-such-run')).exists).toBe(false);
});

/** A program in the runtime's place that answers what no runtime should. */
async function impostor(script: string, data: Uint8Array = new Uint8Array(0)): Promise<Runtime> {
  await rig.device.push(data, '/data/local/tmp/answer');
  const path = '/data/local/tmp/impostor';
  await rig.device.push(Buffer.from(`#!/system/bin/sh\n${script}\n`), path, { mode: 0o755 });
  return new Runtime(rig.device, path);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const item of items) seen.push(item);
  return seen;
}

const status = encodeFrame(mft.v1.RunStatus.encode({ runId: 'r', exists: true, pid: 7 }).finish());
const event = (sequence: number) =>
  encodeFrame(mft.v1.DeviceFrame.encode({ event: { id: { attempt: 1, sequence }, timeMs: 5 } }).finish());

test('one frame is an answer; a cut one, two, or rubbish are not', async () => {
  const good = await (await impostor('cat /data/local/tmp/answer', status)).status('r');
  expect([good.runId, good.pid]).toEqual(['r', 7]);
  for (const bad of [
    status.subarray(0, 3),
    Buffer.concat([status, status]),
    Buffer.alloc(0),
    Buffer.alloc(9, 255),
  ]) {
    const runtime = await impostor('cat /data/local/tmp/answer', bad);
    await expect(runtime.status('r')).rejects.toMatchObject({ code: 'runtime.malformed-answer' });
  }
});

test('events come as they are in the journal; an end before the end is an error', async () => {
  const journal = Buffer.concat([event(1), event(2), event(3)]);
  const whole = await impostor('cat /data/local/tmp/answer', journal);
  const seen = await all(whole.events('r'));
  expect(seen.map(({ id }) => id.sequence)).toEqual([1, 2, 3]);
  const frames = await all(whole.eventFrames('r'));
  expect(Buffer.concat(frames.map(encodeFrame)).equals(journal)).toBe(true);

  const cut = await impostor('cat /data/local/tmp/answer', journal.subarray(0, journal.length - 2));
  await expect(all(cut.events('r'))).rejects.toMatchObject({ code: 'runtime.malformed-answer' });
  const failed = await impostor('cat /data/local/tmp/answer; echo broken journal >&2; exit 1', journal);
  await expect(all(failed.events('r'))).rejects.toMatchObject({
    code: 'runtime.failed',
    message: expect.stringContaining('broken journal'),
  });
});

test('a run whose events are read stops being read when nobody listens', async () => {
  const endless = await impostor('while :; do cat /data/local/tmp/answer; done', event(1));
  for await (const { id } of endless.events('r')) {
    expect(id.sequence).toBe(1);
    break;
  }
});

test('start: started, already running, or the reason why not', async () => {
  expect(await (await impostor('echo "started 4711"')).start('r')).toEqual({
    pid: 4711,
    alreadyRunning: false,
  });
  expect(await (await impostor('echo "running 42"; exit 3')).start('r')).toEqual({
    pid: 42,
    alreadyRunning: true,
  });
  await expect((await impostor('echo "no such run" >&2; exit 2')).start('r')).rejects.toMatchObject({
    code: 'runtime.bad-request',
    message: expect.stringContaining('no such run'),
  });
  await expect((await impostor('echo started')).start('r')).rejects.toMatchObject({
    code: 'runtime.malformed-answer',
  });
  const seen = await impostor('for a; do echo "$a" >&2; done; exit 1');
  await expect(seen.start('r', { minAttempt: 3 })).rejects.toMatchObject({
    message: expect.stringContaining('start\n--root\n/data/local/tmp/mft\n--run\nr\n--min-attempt\n3'),
  });
});

test('a program that the phone can not run', async () => {
  const path = '/data/local/tmp/not-a-program';
  await rig.device.push(Buffer.from('\x7fELF\x02\x01\x01rubbish', 'latin1'), path, { mode: 0o755 });
  await expect(new Runtime(rig.device, path).facts()).rejects.toMatchObject({
    code: 'runtime.not-runnable',
    exit: 4,
  });
  const missing = new Runtime(rig.device, '/data/local/tmp/missing');
  await expect(missing.facts()).rejects.toMatchObject({ code: 'runtime.not-runnable' });
});
