import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame, FRAME_LIMIT, FrameDecoder, FrameError } from './framing.ts';
import { mft } from './index.ts';

test('frames survive any cutting of the stream', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 20 }),
      (payloads, cuts) => {
        const stream = Buffer.concat(payloads.map(encodeFrame));
        const decoder = new FrameDecoder();
        const got: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const size = cuts[i % cuts.length] as number;
          got.push(...decoder.push(stream.subarray(at, at + size)));
          at += size;
        }
        expect(got.map((b) => [...b])).toEqual(payloads.map((p) => [...p]));
        expect(decoder.buffered).toBe(0);
      },
    ),
  );
});

test('a length over the limit is refused before the bytes arrive', () => {
  const decoder = new FrameDecoder();
  expect(() => decoder.push(Buffer.from([0xff, 0xff, 0xff, 0x7f]))).toThrow(FrameError);
  expect(() => new FrameDecoder().push(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))).toThrow(FrameError);
  expect(() => encodeFrame(new Uint8Array(FRAME_LIMIT + 1))).toThrow(FrameError);
});

test('unknown fields pass, and a loss keeps its bits', () => {
  const loss = Math.fround(2.7654321);
  const bytes = mft.v1.Event.encode({ id: { attempt: 2, sequence: 7 }, step: { step: 3, loss } }).finish();
  const extended = Buffer.concat([bytes, Buffer.from([0xf8, 0x3f, 0x01])]); // field 1023, varint 1
  const event = mft.v1.Event.decode(extended);
  expect(event.step?.loss).toBe(loss);
  expect(event.id?.sequence).toBe(7);
});
