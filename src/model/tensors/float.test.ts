import fc from 'fast-check';
import { expect, test } from 'vitest';
import { narrow, widen } from './float.ts';

/** Bits of an f32. */
function bitsOf(value: number): number {
  return new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0;
}

/** All finite halves as numbers, by the definition in IEEE 754. */
const halfValues = Array.from({ length: 0x7c00 }, (_, half) => {
  const exponent = half >>> 10;
  return exponent === 0 ? (half & 0x3ff) * 2 ** -24 : (1 + (half & 0x3ff) / 1024) * 2 ** (exponent - 15);
});

/** Nearest half by search, ties to even: the slow oracle. */
function nearestHalf(value: number): number {
  const magnitude = Math.abs(value);
  let low = 0;
  let high = halfValues.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((halfValues[middle] ?? 0) <= magnitude) low = middle;
    else high = middle - 1;
  }
  const below = halfValues[low] ?? 0;
  const above = low + 1 === 0x7c00 ? 65536 : (halfValues[low + 1] ?? 0);
  const up =
    magnitude - below > above - magnitude || (magnitude - below === above - magnitude && low % 2 === 1);
  return (value < 0 || Object.is(value, -0) ? 0x8000 : 0) | (low + (up ? 1 : 0));
}

function half(value: number): number {
  return new Uint16Array(narrow(new Float32Array([value]), 'f16').buffer)[0] ?? 0;
}

test('every half survives widening and narrowing', () => {
  const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
  const wide = widen(new Uint8Array(all.buffer), 'f16');
  for (let i = 0; i < 0x7c00; i += 1) expect(wide[i]).toBe(halfValues[i]);
  const back = new Uint16Array(narrow(wide, 'f16').buffer);
  for (let i = 0; i < 0x10000; i += 1) {
    const isSignalling = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0 && (i & 0x200) === 0;
    expect(back[i]).toBe(isSignalling ? i | 0x200 : i);
  }
});

test('f16 rounds to nearest, ties to even', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: -65519, max: 65519 }), (value) => {
      expect(half(value)).toBe(nearestHalf(value));
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7bfe }), (i) => {
      const tie = Math.fround(((halfValues[i] ?? 0) + (halfValues[i + 1] ?? 0)) / 2);
      expect(half(tie)).toBe(nearestHalf(tie));
      expect(half(-tie)).toBe(nearestHalf(-tie));
    }),
    { numRuns: 3000 },
  );
  expect(half(65519)).toBe(0x7bff);
  expect(half(65520)).toBe(0x7c00);
  expect(half(-1e30)).toBe(0xfc00);
  expect(half(2 ** -25)).toBe(0);
  expect(half(2 ** -25 * 1.001)).toBe(1);
  expect(half(1e-40)).toBe(0);
});

test('bf16 rounds to nearest, ties to even, and widening is exact', () => {
  const stored = (value: number) => new Uint16Array(narrow(new Float32Array([value]), 'bf16').buffer)[0];
  expect(stored(1)).toBe(0x3f80);
  expect(stored(1 + 2 ** -8)).toBe(0x3f80);
  expect(stored(1 + 3 * 2 ** -8)).toBe(0x3f82);
  expect(stored(3.4e38)).toBe(0x7f80);
  expect(stored(Number.NaN)).toBe(0x7fc0);
  fc.assert(
    fc.property(
      fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 126), max: 2 ** 126 }),
      (value) => {
        const back = widen(narrow(new Float32Array([value]), 'bf16'), 'bf16')[0] ?? 0;
        expect(Math.abs(back - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) / 256, 2 ** -133));
        expect(bitsOf(back) & 0xffff).toBe(0);
      },
    ),
  );
});

test('f32 keeps every bit, NaN payloads too, at any alignment', () => {
  const bits = Uint32Array.from([0x7fa12345, 0xffc00001, 0x80000000, 0x00000001]);
  const padded = new Uint8Array(17);
  padded.set(new Uint8Array(bits.buffer), 1);
  const wide = widen(padded.subarray(1), 'f32');
  expect([...new Uint32Array(wide.buffer)]).toEqual([...bits]);
  expect([...narrow(wide, 'f32')]).toEqual([...new Uint8Array(bits.buffer)]);
});
