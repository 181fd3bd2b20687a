import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdbDevice } from '../../src/adb/index.ts';
import { type Rig, startRig, testMake } from '../support/rig.ts';

let rig: Rig;
let device: AdbDevice;
let echo: Server;
const open = new Set<Socket>();
const NAME = `mft-echo-${randomBytes(4).toString('hex')}`;

// The emulated phone shares the host's abstract sockets under a prefix of its own, so that a test can listen "on the phone".
beforeAll(async () => {
  rig = await startRig();
  ({ device } = rig);
  const { stdout } = await device.exec(['sh', '-c', 'printf %s "$MFT_SOCKET_PREFIX"']);
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(`\0${stdout}${NAME}`, resolve));
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  echo?.close();
  await rig?.stop();
});

describeEmulated('a socket on the phone', () => {
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
});

function describeEmulated(name: string, body: () => void): void {
  describe.skipIf(testMake() !== 'emulated')(name, body);
}

function ended(stream: NodeJS.EventEmitter & { destroyed: boolean }): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', () => resolve()));
}
