import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdbDevice } from '../../src/adb/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

let rig: Rig;
let device: AdbDevice;
beforeAll(async () => {
  rig = await startRig();
  ({ device } = rig);
});
afterAll(() => rig?.stop());

/** 5 MB with every byte value beside every other one. */
function allBytes(): Buffer {
  const data = Buffer.alloc(5 << 20);
  for (let i = 0; i < data.length; i += 1) data[i] = (i * 7 + (i >> 8) * 13 + (i >> 16)) & 255;
  return data;
}

const sh = (text: string, ...args: string[]) => ['sh', '-c', text, 'sh', ...args];

test('the exit code is true, stdout and stderr are apart', async () => {
  const result = await device.exec(sh('echo out; echo err >&2; exit 42'));
  expect(result.exitCode).toBe(42);
  expect(result.stdout.toString()).toBe('out\n');
  expect(result.stderr.toString()).toBe('err\n');
  expect((await device.exec(['true'])).exitCode).toBe(0);
  expect((await device.exec(['false'])).exitCode).toBe(1);
  expect((await device.exec(['/data/local/tmp/no-such-program'])).exitCode).toBe(127);
});

test('5 MB of all byte values pass unchanged, both ways', async () => {
  const data = allBytes();
  await device.push(data, '/data/local/tmp/all-bytes');
  const there = await device.exec(['cat', '/data/local/tmp/all-bytes']);
  expect(there.exitCode).toBe(0);
  expect(there.stdout.equals(data)).toBe(true);
  const back = await device.exec(['cat'], { stdin: data });
  expect(back.stdout.equals(data)).toBe(true);
  const streamed = await device.exec(['cat'], {
    stdin: Readable.from([data.subarray(0, 9), data.subarray(9)]),
  });
  expect(streamed.stdout.equals(data)).toBe(true);
});

test('arguments arrive as they are', async () => {
  const hostile = [
    "it's",
    '"q"',
    '$HOME `id` $(id)',
    'two\nlines\n',
    '',
    ' ',
    '-n',
    '--',
    '*',
    '\\',
    'größe 日本 🤖',
  ];
  const result = await device.exec(['printf', '%s\\0', ...hostile]);
  expect(result.stdout.toString().split('\0').slice(0, -1)).toEqual(hostile);
});

test('stdin is closed for programs that are given none', async () => {
  expect((await device.exec(['cat'], { timeoutMs: 5000 })).stdout.length).toBe(0);
});

test('a program that does not read its stdin is no error', async () => {
  const result = await device.exec(['true'], { stdin: Buffer.alloc(3 << 20) });
  expect(result.exitCode).toBe(0);
});

test('a source of stdin that fails is not an empty stdin', async () => {
  const broken = new Readable({ read: () => {} });
  const running = device.exec(['cat'], { stdin: broken });
  broken.push('half');
  broken.destroy(new Error('the disk of this computer failed'));
  await expect(running).rejects.toThrow('the disk of this computer failed');
});

test('a deadline and a signal end the wait, with their own words', async () => {
  await expect(device.exec(['sleep', '30'], { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'adb.timeout',
  });
  const controller = new AbortController();
  const running = device.exec(['sleep', '30'], { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('the user left')), 100);
  await expect(running).rejects.toThrow('the user left');
  await expect(device.exec(['true'], { signal: controller.signal })).rejects.toThrow('the user left');
});

test('output over the limit is an error, not memory', async () => {
  const endless = sh('while :; do echo 0123456789012345678901234567890123456789; done');
  await expect(device.exec(endless, { maxOutput: 100_000 })).rejects.toMatchObject({
    code: 'adb.output-limit',
  });
});

test('a command line over 64 KiB is refused: adb would cut or misread it', async () => {
  await expect(device.exec(['true', 'x'.repeat(66_000)])).rejects.toMatchObject({
    code: 'adb.command-too-long',
  });
});

test('a stream gives stdout as it comes', async () => {
  const program = await device.execStream(sh('echo one; read line; echo "$line"; echo why >&2; exit 9'), {
    stdin: Readable.from(
      (async function* () {
        await sleep(300);
        yield 'two\n';
      })(),
    ),
  });
  const seen: string[] = [];
  const times: number[] = [];
  for await (const chunk of program.stdout) {
    seen.push(chunk.toString());
    times.push(Date.now());
  }
  expect(seen.join('')).toBe('one\ntwo\n');
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(150);
  const { exitCode, stderr } = await program.exit;
  expect(exitCode).toBe(9);
  expect(stderr.toString()).toBe('why\n');
});

test('killing a stream ends the program', async () => {
  const marker = `/data/local/tmp/alive-${Date.now()}`;
  const program = await device.execStream(
    sh('while :; do echo tick; echo x >> "$1"; sleep 0.1; done', marker),
  );
  for await (const _ of program.stdout) break;
  await expect(program.exit).rejects.toThrow();
  await sleep(2500);
  const before = (await device.stat(marker))?.size;
  await sleep(700);
  expect((await device.stat(marker))?.size).toBe(before);
});

test('a transport lost in mid-exec is an error, never exit code 0', async () => {
  const running = device.exec(sh('echo started; sleep 30'));
  const program = await device.execStream(sh('echo started; sleep 30'));
  const chunks = program.stdout.toArray();
  const failures = Promise.allSettled([running, chunks, program.exit]);
  await sleep(500);
  await rig.phone.fault('disconnect');
  for (const result of await failures) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'adb.transport-lost', exit: 6 } });
  }
  await device.reconnect({ timeoutMs: 20_000 });
  expect((await device.exec(['echo', 'back'])).stdout.toString()).toBe('back\n');
});

test('an adb server that dies in mid-exec is an error too, and comes back with the next question', async () => {
  const running = device.exec(['sleep', '30']);
  const failure = expect(running).rejects.toMatchObject({ code: 'adb.transport-lost', exit: 6 });
  await sleep(500);
  await rig.adb.kill();
  await failure;
  await device.reconnect({ timeoutMs: 20_000 });
  expect((await device.exec(['echo', 'back'])).stdout.toString()).toBe('back\n');
});
