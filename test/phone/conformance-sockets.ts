import { randomBytes } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { freePort } from '../support/adb-server.ts';
import { type Bench, eventually, type Make } from './bench.ts';

async function forward(bench: Bench, name: string): Promise<number> {
  const { out } = await bench.adb('forward', 'tcp:0', `localabstract:${name}`);
  return Number(out);
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends all, reads as many bytes, closes. */
async function roundTrip(port: number, data: Buffer): Promise<Buffer> {
  const socket = await open(port);
  const pieces: Buffer[] = [];
  let bytes = 0;
  socket.write(data);
  for await (const piece of socket) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= data.length) break;
  }
  socket.destroy();
  return Buffer.concat(pieces);
}

export async function startEcho(bench: Bench, name: string): Promise<string> {
  const log = `/data/local/tmp/echo-${name}.log`;
  const { out } = await bench.shell(
    `setsid /data/local/tmp/probe echo ${name} </dev/null >${log} 2>&1 & echo $!`,
  );
  await eventually(
    async () => (await bench.shell(`cat ${log}`)).out.includes('listening'),
    'the echo server listens',
  );
  return out.trim();
}

export function socketSuite(_make: Make, get: () => Bench): void {
  describe('sockets', () => {
    test('an abstract socket of the phone, both ways at once', async () => {
      const bench = get();
      const pid = await startEcho(bench, 'suite-a');
      const port = await forward(bench, 'suite-a');
      const data = randomBytes(4_000_000);
      expect((await roundTrip(port, data)).equals(data)).toBe(true);
      const all = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const own = randomBytes(200_000);
          return (await roundTrip(port, own)).equals(own);
        }),
      );
      expect(all).toEqual([true, true, true, true, true]);
      await bench.shell(`kill ${pid}`);
    });

    test('a socket that nobody serves is closed at once', async () => {
      const port = await forward(get(), 'nobody');
      const socket = await open(port);
      const data: Buffer[] = [];
      for await (const piece of socket) data.push(piece);
      expect(Buffer.concat(data).length).toBe(0);
    });

    test('the end of the server closes the socket', async () => {
      const bench = get();
      const pid = await startEcho(bench, 'suite-b');
      const socket = await open(await forward(bench, 'suite-b'));
      socket.write('x');
      await new Promise((resolve) => socket.once('data', resolve));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => undefined);
      await bench.shell(`kill -9 ${pid}; pkill -9 probe`);
      await closed;
    });

    test('reverse leads to the host', async () => {
      const bench = get();
      const server = createServer((socket) => socket.end('from the host'));
      const port = await freePort();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      try {
        expect((await bench.adb('reverse', 'localabstract:suite-r', `tcp:${port}`)).code).toBe(0);
        expect((await bench.adb('reverse', '--list')).out).toContain('localabstract:suite-r');
        const local = await forward(bench, 'suite-r');
        const socket = await open(local);
        let text = '';
        for await (const piece of socket) text += String(piece);
        expect(text).toBe('from the host');
        expect((await bench.adb('reverse', '--remove', 'localabstract:suite-r')).code).toBe(0);
        expect((await bench.adb('reverse', '--list')).out.trim()).toBe('');
      } finally {
        server.close();
      }
    });
  });
}
