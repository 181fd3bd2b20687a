import { connect, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Bench, Make } from './bench.ts';

const CNXN = 0x4e584e43;
const OPEN = 0x4e45504f;
const OKAY = 0x59414b4f;
const CLSE = 0x45534c43;
const WRTE = 0x45545257;

interface Packet {
  command: number;
  arg0: number;
  arg1: number;
  checksum: number;
  data: Buffer;
}

/** A bare client of the ADB protocol, written from its description and not from our own adbd. */
class RawClient {
  readonly socket: Socket;
  readonly #packets: Packet[] = [];
  #buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      while (this.#buffer.length >= 24) {
        const length = this.#buffer.readUInt32LE(12);
        if (this.#buffer.length < 24 + length) break;
        const word = (at: number) => this.#buffer.readUInt32LE(at);
        this.#packets.push({
          command: word(0),
          arg0: word(4),
          arg1: word(8),
          checksum: word(16),
          data: this.#buffer.subarray(24, 24 + length),
        });
        this.#buffer = this.#buffer.subarray(24 + length);
      }
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  send(
    command: number,
    arg0: number,
    arg1: number,
    data: Buffer | string = '',
    change: (head: Buffer) => void = () => undefined,
  ): void {
    const payload = Buffer.from(data);
    const head = Buffer.alloc(24);
    head.writeUInt32LE(command, 0);
    head.writeUInt32LE(arg0, 4);
    head.writeUInt32LE(arg1, 8);
    head.writeUInt32LE(payload.length, 12);
    head.writeUInt32LE(payload.reduce((sum, byte) => sum + byte, 0) >>> 0, 16);
    head.writeUInt32LE((command ^ 0xffffffff) >>> 0, 20);
    change(head);
    this.socket.write(Buffer.concat([head, payload]));
  }

  /** The next packet, or undefined when the connection has been closed. */
  async next(): Promise<Packet | undefined> {
    for (;;) {
      const packet = this.#packets.shift();
      if (packet !== undefined || this.closed) return packet;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async introduce(version = 0x01000001, limit = 256 * 1024): Promise<Packet> {
    this.send(CNXN, version, limit, 'host::features=shell_v2\0');
    const answer = await this.next();
    if (answer?.command !== CNXN) throw new Error('no CNXN');
    return answer;
  }

  /** Runs a service to its end, acknowledging everything; its output. */
  async service(name: string): Promise<string> {
    this.send(OPEN, 7, 0, `${name}\0`);
    let output = '';
    for (;;) {
      const packet = await this.next();
      if (packet === undefined || packet.command === CLSE) {
        if (packet !== undefined && packet.arg0 !== 0) this.send(CLSE, 7, packet.arg0);
        return output;
      }
      if (packet.command === WRTE) {
        output += packet.data.toString();
        this.send(OKAY, 7, packet.arg0);
      }
    }
  }
}

export function protocolSuite(make: Make, get: () => Bench): void {
  describe('protocol', () => {
    const withClient = async (body: (client: RawClient) => Promise<void>) => {
      const client = new RawClient(get().phone.port);
      try {
        await body(client);
      } finally {
        client.socket.destroy();
      }
    };

    test('CNXN is answered with version, limit and features', async () => {
      await withClient(async (client) => {
        const answer = await client.introduce();
        expect(answer.arg0).toBe(0x01000001);
        expect(answer.arg1).toBeGreaterThanOrEqual(256 * 1024);
        expect(answer.data.toString()).toMatch(/^device::.*features=.*shell_v2/);
      });
    });

    test('an old host gets checksums', async () => {
      await withClient(async (client) => {
        await client.introduce(0x01000000, 4096);
        client.send(OPEN, 7, 0, 'exec:echo sum\0');
        expect((await client.next())?.command).toBe(OKAY);
        const packet = await client.next();
        expect(packet?.command).toBe(WRTE);
        expect(packet?.checksum).toBe([...(packet?.data ?? [])].reduce((sum, byte) => sum + byte, 0));
      });
    });

    test('no payload is longer than the host takes, and one is under way at a time', async () => {
      await withClient(async (client) => {
        await client.introduce(0x01000001, 4096);
        client.send(OPEN, 9, 0, 'exec:head -c 20000 /dev/zero\0');
        expect((await client.next())?.command).toBe(OKAY);
        let bytes = 0;
        for (;;) {
          const packet = await client.next();
          if (packet === undefined || packet.command !== WRTE) break;
          expect(packet.data.length).toBeLessThanOrEqual(4096);
          bytes += packet.data.length;
          // AOSP's adbd sends what is left at once when the program has ended.
          if (make === 'real') {
            client.send(OKAY, 9, packet.arg0);
            continue;
          }
          const early = await Promise.race([
            client.next(),
            new Promise<'quiet'>((resolve) => setTimeout(() => resolve('quiet'), bytes < 10_000 ? 50 : 0)),
          ]);
          expect(early).toBe('quiet');
          client.send(OKAY, 9, packet.arg0);
        }
        expect(bytes).toBe(20_000);
      });
    });

    test('an unknown service is refused and the connection stays', async () => {
      await withClient(async (client) => {
        await client.introduce();
        client.send(OPEN, 5, 0, 'no-such-service:\0');
        const refusal = await client.next();
        expect([refusal?.command, refusal?.arg0, refusal?.arg1]).toEqual([CLSE, 0, 5]);
        expect(await client.service('exec:echo still here')).toBe('still here\n');
      });
    });

    // AOSP's adbd does not look at the magic.
    const strict: [string, (client: RawClient) => void][] = [
      [
        'a header without its magic',
        (client) => client.send(CNXN, 1, 1, '', (head) => head.writeUInt32LE(0, 20)),
      ],
    ];

    test.each<[string, (client: RawClient) => void]>([
      ...(make === 'emulated' ? strict : []),
      [
        'a payload of 4 GiB',
        (client) => client.send(WRTE, 1, 1, '', (head) => head.writeUInt32LE(0xffffffff, 12)),
      ],
      [
        '16 MiB before CNXN',
        (client) => client.send(CNXN, 0x01000001, 4096, '', (head) => head.writeUInt32LE(1 << 24, 12)),
      ],
      ['noise', (client) => client.socket.write(Buffer.alloc(4096, 0x41))],
    ])('%s ends the connection', async (_name, misbehave) => {
      await withClient(async (client) => {
        misbehave(client);
        expect(await client.next()).toBeUndefined();
      });
      // The phone itself is none the worse.
      expect((await get().shell('echo well')).out).toBe('well\n');
    });
  });
}
