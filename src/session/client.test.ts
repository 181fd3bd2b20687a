import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { encodeFrame, FrameDecoder, mft } from '../protocol/index.ts';
import type { EventId } from '../runs/index.ts';
import { LinkLost, SessionClient } from './client.ts';

/** The phone's end of a connection, scripted byte by byte. */
class Peer {
  readonly host: Duplex;
  readonly received: mft.v1.HostFrame[] = [];
  private readonly decoder = new FrameDecoder();
  private waiting: (() => void)[] = [];

  constructor() {
    this.host = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        for (const frame of this.decoder.push(chunk)) this.received.push(mft.v1.HostFrame.decode(frame));
        for (const wake of this.waiting.splice(0)) wake();
        done();
      },
    });
  }

  send(...frames: mft.v1.DeviceFrame.$Properties[]): this {
    return this.raw(
      Buffer.concat(frames.map((frame) => encodeFrame(mft.v1.DeviceFrame.encode(frame).finish()))),
    );
  }

  raw(bytes: Uint8Array): this {
    this.host.push(Buffer.from(bytes));
    return this;
  }

  end(): this {
    this.host.push(null);
    return this;
  }

  async next(): Promise<void> {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

const welcome = { welcome: { protocolMajor: 1, protocolMinor: 0, runtimeVersion: '0.1.0' } };
const token = new Uint8Array(32).fill(7);

function step(attempt: number, sequence: number): mft.v1.DeviceFrame.$Properties {
  return { event: { id: { attempt, sequence }, step: { step: sequence, loss: 1 } } };
}

async function open(peer: Peer, last?: EventId, idleMs = 10_000): Promise<SessionClient> {
  return SessionClient.open(peer.host, { token, last, client: 'test', helloTimeoutMs: 200, idleMs });
}

async function collect(client: SessionClient): Promise<{ ids: string[]; error?: unknown }> {
  const ids: string[] = [];
  try {
    for await (const batch of client.events())
      for (const { event } of batch) ids.push(`${event.id.attempt}:${event.id.sequence}`);
    return { ids };
  } catch (error) {
    return { ids, error };
  }
}

describe('hello', () => {
  test('carries the token, the version and the last event', async () => {
    const peer = new Peer().send(welcome);
    const client = await open(peer, { attempt: 2, sequence: 9 });
    const hello = peer.received[0]?.hello;
    expect(hello?.token).toEqual(Buffer.from(token));
    expect(hello?.last).toMatchObject({ attempt: 2, sequence: 9 });
    expect(hello?.protocolMajor).toBe(1);
    client.close();
  });

  test.each([
    ['a refusal', { refused: { reason: 2, message: 'wrong token' } }, MftError],
    ['another major', { welcome: { protocolMajor: 2 } }, MftError],
    ['an event first', step(1, 1), LinkLost],
    ['an empty frame', {}, LinkLost],
  ])('%s ends it', async (_name, frame, kind) => {
    await expect(open(new Peer().send(frame))).rejects.toThrow(kind);
  });

  test.each([
    ['silence', (peer: Peer) => peer],
    ['an end', (peer: Peer) => peer.end()],
    ['garbage', (peer: Peer) => peer.raw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['a frame over the limit', (peer: Peer) => peer.raw(Buffer.from([0xff, 0xff, 0xff, 0x7f]))],
    ['half a frame', (peer: Peer) => peer.raw(Buffer.from([40, 1, 2])).end()],
  ])('%s is a lost link', async (_name, script) => {
    await expect(open(script(new Peer()))).rejects.toThrow(LinkLost);
  });
});

describe('events', () => {
  test('arrive whole and in order, however the stream is cut', async () => {
    const frames = [welcome, step(1, 1), step(1, 2), { pong: { nonce: 1 } }, step(1, 3), step(3, 1)];
    const bytes = Buffer.concat(frames.map((f) => encodeFrame(mft.v1.DeviceFrame.encode(f).finish())));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), async (cuts) => {
        const peer = new Peer();
        for (let at = 0, i = 0; at < bytes.length; i += 1) {
          const size = cuts[i % cuts.length] ?? 1;
          peer.raw(bytes.subarray(at, at + size));
          at += size;
        }
        peer.end();
        expect(await collect(await open(peer))).toEqual({ ids: ['1:1', '1:2', '1:3', '3:1'] });
      }),
      { numRuns: 40 },
    );
  });

  test('keep their bytes, unknown fields included', async () => {
    const inner = Buffer.concat([
      mft.v1.Event.encode({ id: { attempt: 1, sequence: 1 }, step: { step: 1, loss: 2 } }).finish(),
      Buffer.from([0xf8, 0x3f, 0x01]), // field 1023
    ]);
    const outer = Buffer.concat([Buffer.from([(3 << 3) | 2, inner.length]), inner]);
    const peer = new Peer().send(welcome).raw(encodeFrame(outer)).end();
    for await (const [raw] of (await open(peer)).events()) {
      expect(Buffer.from(raw?.bytes ?? [])).toEqual(inner);
      expect(raw?.event.step?.loss).toBe(2);
    }
  });

  test.each([
    ['a gap', undefined, [step(1, 1), step(1, 3)], ['1:1'], /1:3 does not follow 1:1/],
    ['a late start', undefined, [step(1, 2)], [], /1:2 does not follow the beginning/],
    ['a repeat of what was known', { attempt: 1, sequence: 2 }, [step(1, 2)], [], /does not follow 1:2/],
    ['an older attempt', { attempt: 2, sequence: 1 }, [step(1, 5)], [], /does not follow/],
    ['a new attempt from its middle', { attempt: 1, sequence: 1 }, [step(2, 2)], [], /does not follow/],
    ['an event without an id', undefined, [{ event: { step: { step: 1 } } }], [], /without an id/],
  ])('%s is a lost link', async (_name, last, frames, ids, message) => {
    const peer = new Peer().send(welcome);
    const client = await open(peer, last);
    const got = collect(client);
    for (const frame of frames) {
      peer.send(frame);
      await new Promise((resolve) => setTimeout(resolve, 5)); // chunks of their own
    }
    const { ids: seen, error } = await got;
    expect(seen).toEqual(ids);
    expect(error).toBeInstanceOf(LinkLost);
    expect(String(error)).toMatch(message);
  });

  test('a new attempt, and what a host that was ahead gets, follow', async () => {
    const peer = new Peer().send(welcome, step(5, 1), step(5, 2)).end();
    expect(await collect(await open(peer, { attempt: 3, sequence: 77 }))).toEqual({ ids: ['5:1', '5:2'] });
  });

  test('a cut within a frame is a lost link, a clean end is an end', async () => {
    const cut = new Peer()
      .send(welcome, step(1, 1))
      .raw(Buffer.from([9, 1]))
      .end();
    expect((await collect(await open(cut))).error).toBeInstanceOf(LinkLost);
    const clean = new Peer().send(welcome, step(1, 1)).end();
    expect(await collect(await open(clean))).toEqual({ ids: ['1:1'] });
  });

  test('a silent phone is asked, then given up; one that answers is not', async () => {
    const answering = new Peer().send(welcome);
    const client = await open(answering, undefined, 15);
    const got = collect(client);
    let pings = 0;
    while (pings < 5) {
      await answering.next();
      const nonce = answering.received.at(-1)?.ping?.nonce;
      if (nonce === undefined) continue;
      pings += 1;
      answering.send({ pong: { nonce } });
    }
    const start = Date.now();
    expect((await got).error).toBeInstanceOf(LinkLost);
    expect(Date.now() - start).toBeGreaterThan(20);
  });

  test('controls go out with their id', async () => {
    const peer = new Peer().send(welcome);
    const client = await open(peer);
    client.send({ id: 12, pause: {} });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(peer.received.at(-1)?.control).toMatchObject({ id: 12, pause: {} });
    client.close();
  });
});
