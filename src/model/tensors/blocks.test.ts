import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockRangeError, type BlockType, blockRowBytes, packRows, unpackRows } from './blocks.ts';

/** All finite halves >= 0, ascending: the index of each is its bits. */
const halves = Array.from({ length: 0x7c00 }, (_, bits) =>
  bits < 0x400 ? bits * 2 ** -24 : (1 + (bits & 0x3ff) / 1024) * 2 ** ((bits >>> 10) - 15),
);

/** Bits of the half nearest to x, ties to even, by comparing distances. */
function nearestHalf(x: number): number {
  let best = 0;
  let [low, high] = [0, halves.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((halves[middle] ?? 0) < Math.abs(x)) low = middle + 1;
    else high = middle;
  }
  for (const bits of [low - 1, low]) {
    const distance = (candidate: number) => Math.abs((halves[candidate] ?? Infinity) - Math.abs(x));
    if (bits < 0) continue;
    if (distance(bits) < distance(best) || (distance(bits) === distance(best) && bits % 2 === 0)) best = bits;
  }
  return best | (x < 0 || Object.is(x, -0) ? 0x8000 : 0);
}

function valueOfHalf(bits: number): number {
  return (halves[bits & 0x7fff] ?? Number.NaN) * (bits & 0x8000 ? -1 : 1);
}

function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** One row by the words of model.proto and blocks.ts, value by value. */
function referenceRow(row: readonly number[], type: BlockType): number[] {
  const blocks = Array.from({ length: Math.ceil(row.length / 32) }, (_, i) => row.slice(32 * i, 32 * i + 32));
  const bytes: number[] = [];
  const scales: number[] = [];
  for (const block of blocks) {
    let extreme = 0;
    for (const value of block) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    const bits = nearestHalf(Math.fround(type === 'int8' ? Math.abs(extreme) / 127 : extreme / -8));
    const scale = valueOfHalf(bits);
    scales.push(bits);
    const limits = type === 'int8' ? [-127, 127] : [-8, 7];
    const q = block.map((value) =>
      scale === 0 ? 0 : Math.min(Math.max(roundHalfEven(value / scale), limits[0] ?? 0), limits[1] ?? 0),
    );
    if (type === 'int8') for (let i = 0; i < 32; i += 1) bytes.push((q[i] ?? 0) & 0xff);
    else
      for (let i = 0; i < 32; i += 2)
        bytes.push(
          (q[i] === undefined ? 0 : (q[i] ?? 0) + 8) +
            16 * (q[i + 1] === undefined ? 0 : (q[i + 1] ?? 0) + 8),
        );
  }
  for (const bits of scales) bytes.push(bits & 0xff, bits >>> 8);
  while (bytes.length % 4 !== 0) bytes.push(0);
  return bytes;
}

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -4, max: 4 }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -65000, max: 65000 }),
  fc.integer({ min: -16, max: 16 }).map((n) => n / 2),
  fc.constantFrom(0, -0, 1e-9, -1e-9, 2 ** -30, 127 * 2 ** -24),
);
const matrix = fc
  .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 100 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      columns: fc.constant(columns),
      values: fc.array(value, { minLength: rows * columns, maxLength: rows * columns }),
    }),
  );

test.each<BlockType>(['int8', 'int4'])('%s: the bytes of the definition, and its values back', (type) => {
  fc.assert(
    fc.property(matrix, ({ columns, values }) => {
      const source = Float32Array.from(values);
      const packed = packRows(source, columns, type);
      const rows = source.length / columns;
      const expected = Array.from({ length: rows }, (_, row) =>
        referenceRow([...source.subarray(row * columns, (row + 1) * columns)], type),
      );
      expect([...packed]).toEqual(expected.flat());
      expect(packed.length).toBe(rows * blockRowBytes(type, columns));
      const back = unpackRows(packed, columns, type);
      expect(back.length).toBe(source.length);
      for (const [i, restored] of back.entries()) {
        const begin = i - (i % columns);
        const block = 32 * Math.floor((i % columns) / 32);
        const peers = source.subarray(begin + block, begin + Math.min(block + 32, columns));
        const most = Math.max(...[...peers].map(Math.abs));
        // Half a step; 4 bits have a whole one less on the side away from the largest value.
        const bound = type === 'int8' ? most / 127 / 1.99 + 2 ** -17 : (most / 8) * (1 + 2 ** -7) + 2 ** -20;
        expect(Math.abs(restored - (source[i] ?? 0))).toBeLessThanOrEqual(bound);
      }
    }),
    { numRuns: 400 },
  );
});

test('sizes of rows: values, scales, and zeros up to a multiple of 4', () => {
  expect([1, 32, 33, 64, 65].map((columns) => blockRowBytes('int8', columns))).toEqual([36, 36, 68, 68, 104]);
  expect([1, 32, 33, 64, 65].map((columns) => blockRowBytes('int4', columns))).toEqual([20, 20, 36, 36, 56]);
});

test('known blocks', () => {
  const ramp = Float32Array.from({ length: 32 }, (_, i) => i - 16);
  // The largest magnitude is -16: scale 2, and -16 is q = -8.
  expect([...packRows(ramp, 32, 'int4')].slice(0, 2)).toEqual([0x00, 0x21]); // -16 -15 -14 -13: q + 8 = 0 0 1 2 (-7.5 to even)
  expect([...packRows(Float32Array.of(127, -127, 63.5, 0.5, 1.5, -2.5), 6, 'int8')].slice(0, 6)).toEqual([
    127, 129, 64, 0, 2, 254,
  ]);
  expect([...unpackRows(packRows(Float32Array.of(-8, 7, 8), 3, 'int4'), 3, 'int4')]).toEqual([-8, 7, 7]);
});

test('a value that no block can hold is an error, never a wrong weight', () => {
  for (const [bad, type] of [
    [Number.NaN, 'int8'],
    [Number.NaN, 'int4'],
    [Infinity, 'int8'],
    [-Infinity, 'int4'],
    [65520 * 127, 'int8'],
    [65520 * 8, 'int4'],
  ] as const) {
    const values = new Float32Array(40);
    values[37] = bad;
    expect(() => packRows(values, 40, type), `${bad} ${type}`).toThrow(BlockRangeError);
  }
  expect(() => packRows(Float32Array.of(65504 * 127), 1, 'int8')).not.toThrow();
});
