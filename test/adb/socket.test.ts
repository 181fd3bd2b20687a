import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { AdbDevice } from '../../src/adb/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

let rig: Rig;
let device: AdbDevice;
let echo: Server;
const open = new Set<Socket>();
const NAME = `mft-echo-${randomBytes(4).toString('hex')}`;

/** Lets the phone listen on the socket, and leads what comes there to the echo server on this computer. */
async function listen(): Promise<void> {
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  await rig.adb.adb('-s', rig.phone.serial, 'reverse', `localabstract:${NAME}`, `tcp:${address.port}`);
}

beforeAll(async () => {
  rig = await startRig();
  ({ device } = rig);
  echo = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
});
beforeEach(listen);
afterAll(async () => {
  for (const socket of open) socket.destroy();
  echo?.close();
  await rig?.stop();
});

test('5 MB pass unchanged, both ways at once', async () => {
  const data = randomBytes(5 << 20);
  const { stream } = await device.openAbstract(NAME);
  stream.write(data);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= data.length) break;
  }
  expect(Buffer.concat(chunks).equals(data)).toBe(true);
});

test('the program there closes: the phone is still there', async () => {
  const { stream, closeCause } = await device.openAbstract(NAME);
  stream.write('hello');
  stream.once('data', () => {
    for (const socket of open) socket.destroy();
  });
  await ended(stream);
  expect(await closeCause()).toBe('closed-by-peer');
});

test('the transport goes: that is another cause, though the stream ends alike', async () => {
  const { stream, closeCause } = await device.openAbstract(NAME);
  stream.write('hello');
  await new Promise((resolve) => stream.once('data', resolve));
  stream.resume();
  await rig.phone.fault('disconnect');
  await ended(stream);
  expect(await closeCause()).toBe('transport-lost');
  await device.reconnect({ timeoutMs: 20_000 });
  // A new transport is there now; the old stream was still lost.
  expect(await closeCause()).toBe('transport-lost');
});

test('the server dies: lost as well', async () => {
  const { stream, closeCause } = await device.openAbstract(NAME);
  await rig.adb.kill();
  stream.on('error', () => {}).resume();
  await ended(stream);
  expect(await closeCause()).toBe('transport-lost');
  await device.reconnect({ timeoutMs: 20_000 });
});

function ended(stream: NodeJS.EventEmitter & { destroyed: boolean }): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', () => resolve()));
}
