/** An adb server, or a phone behind it, that answers anything: the wire and the sync service. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'vitest';
import { syncReceive, syncStat } from '../../../src/adb/sync.ts';
import { Wire } from '../../../src/adb/wire.ts';
import type { FuzzTarget } from '../target.ts';

/** What a connection does before it hears the answer. */
const QUESTIONS: readonly ((wire: Wire) => Promise<unknown>)[] = [
  (wire) => wire.request('host:version').then(() => wire.value()),
  (wire) => syncStat(wire, '/data/local/tmp/x'),
  async (wire) => {
    let bytes = 0;
    for await (const chunk of syncReceive(wire, '/data/local/tmp/x')) bytes += chunk.length;
    return bytes;
  },
];

const record = (id: string, value: number, payload = '') => {
  const head = Buffer.alloc(8);
  head.write(id);
  head.writeUInt32LE(value, 4);
  return Buffer.concat([head, Buffer.from(payload)]);
};
const asked = (question: number, ...answer: (Buffer | string)[]) =>
  Buffer.concat([Buffer.from([question]), ...answer.map((part) => Buffer.from(part))]);

const stat = Buffer.alloc(72);
stat.write('STA2');
stat.writeUInt32LE(0o100644, 24);
stat.writeBigUInt64LE(2n ** 63n, 40);
stat.writeBigInt64LE(-(2n ** 63n), 56);

/** First byte: the question. A wire's own errors are any Error: the device makes of them what it knows (adb/errors.ts). */
export const adb: FuzzTarget = {
  name: 'adb',
  codes: /^$/,
  seeds: [
    asked(0, 'OKAY0004', '0029'),
    asked(0, 'FAIL0005', 'no no'),
    asked(1, stat),
    asked(2, record('DATA', 5, 'hello'), record('DONE', 0)),
    asked(2, record('FAIL', 4, 'gone')),
    asked(2, record('DATA', 0xffffffff)),
  ],
  sound: 0,
  place: () => '',
  async run(bytes) {
    const server = createServer((socket) => socket.on('error', () => {}).end(bytes.subarray(1)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const wire = await Wire.dial({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
      try {
        await QUESTIONS[(bytes[0] ?? 0) % QUESTIONS.length]?.(wire);
      } finally {
        wire.close();
      }
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(TypeError);
      expect(error).not.toBeInstanceOf(RangeError);
    } finally {
      server.close();
    }
  },
};
