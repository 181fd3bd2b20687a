import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TensorReader } from '../types.ts';
import { inPieces, readPieces, readTransposed } from './stream.ts';

/** One tensor "t" whose element i is i; remembers the largest read. */
function counting(shape: number[]) {
  const state = { largest: 0 };
  const reader: TensorReader = {
    shapes: new Map([['t', shape]]),
    async read(_, begin, end) {
      state.largest = Math.max(state.largest, end - begin);
      return Float32Array.from({ length: end - begin }, (_value, i) => begin + i);
    },
    close: async () => undefined,
  };
  return { reader, state };
}

test('any limit gives the same transpose, and no piece is over it', async () => {
  const size = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(size, size, fc.integer({ min: 1, max: 400 }), async (rows, columns, limit) => {
      const { reader, state } = counting([rows, columns]);
      const got: number[] = [];
      for await (const piece of readTransposed(reader, 't', rows, columns, limit)) {
        expect(piece.length).toBeLessThanOrEqual(Math.max(limit, rows));
        got.push(...piece);
      }
      const expected = Array.from(
        { length: rows * columns },
        (_, at) => (at % rows) * columns + Math.floor(at / rows),
      );
      expect(got).toEqual(expected);
      expect(state.largest).toBeLessThanOrEqual(Math.max(limit, columns));
    }),
  );
});

test('pieces of a range', async () => {
  const { reader } = counting([100]);
  const got: number[][] = [];
  for await (const piece of readPieces(reader, 't', 7, 20, 6)) got.push([...piece]);
  expect(got).toEqual([[7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 18], [19]]);
});

test('reading ahead: a failure comes in its turn, and nothing reads on when nobody wants more', async () => {
  let [started, ended] = [0, 0];
  const read = async (begin: number) => {
    started += 1;
    await new Promise((done) => setTimeout(done, 5));
    ended += 1;
    if (begin === 20) throw new Error('cut');
    return begin;
  };
  const got: number[] = [];
  const all = async () => {
    for await (const piece of inPieces(read, 0, 50, 10)) got.push(piece);
  };
  await expect(all()).rejects.toThrow('cut');
  expect(got).toEqual([0, 10]);
  expect(ended).toBe(started);
  for await (const piece of inPieces(read, 0, 50, 10)) if (piece === 10) break;
  expect(ended).toBe(started);
});

test('bits travel, not numbers', async () => {
  const bits = Uint32Array.from([0x7fa00001, 0xffffffff, 0x80000000, 1]);
  const reader: TensorReader = {
    shapes: new Map([['t', [2, 2]]]),
    read: async (_, begin, end) => new Float32Array(bits.buffer.slice(begin * 4, end * 4)),
    close: async () => undefined,
  };
  for await (const piece of readTransposed(reader, 't', 2, 2))
    expect([...new Uint32Array(piece.buffer)]).toEqual([0x7fa00001, 0x80000000, 0xffffffff, 1]);
});
