import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packRows, unpackRows } from '../tensors/blocks.ts';
import { blockTypeNamed } from './blocks.ts';
import { Q8RangeError, q4ToRows, q8ToRows, quantizeQ8, rowsToQ8 } from './int-blocks.ts';
import { openGguf } from './reader.ts';

const [ROWS, COLUMNS] = [3, 512];

test('Q8_0 of values has the bytes that gguf-py gives it', async () => {
  // scripts/oracle/gguf_types.py: gguf.quants.quantize of the tensor "F32".
  const reader = await openGguf(join(import.meta.dirname, '../../../test/fixtures/gguf/types.gguf'));
  const values = await reader.read('F32', 0, ROWS * COLUMNS);
  const expected = await reader.readStored('Q8_0.values', 0, ROWS * COLUMNS);
  expect(Buffer.from(quantizeQ8(values)).equals(Buffer.from(expected))).toBe(true);
  await reader.close();
});

test('halves are rounded away from zero, and zeros stay zeros', () => {
  const values = new Float32Array(64);
  values.set([127, 0.5, -0.5, 1.5, -2.5, 0.49]);
  const bytes = Buffer.from(quantizeQ8(values));
  expect(bytes.readUInt16LE(0)).toBe(0x3c00); // 1
  expect([...new Int8Array(bytes.subarray(2, 8))]).toEqual([127, 1, -1, 2, -3, 0]);
  expect(bytes.subarray(34).every((byte) => byte === 0)).toBe(true);
});

test('what no scale of f16 holds is refused', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e7]) {
    const values = new Float32Array(32);
    values[7] = value;
    expect(() => quantizeQ8(values)).toThrow(Q8RangeError);
  }
});

/** Any bytes are blocks; scales that are no number would differ from themselves. */
function randomBlocks(bytes: number): Uint8Array {
  let state = 7;
  const out = Uint8Array.from({ length: (bytes * ROWS * COLUMNS) / 32 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let at = 1; at < out.length; at += bytes) out[at] = (out[at] ?? 0) & 0xbb;
  return out;
}

test.each([
  ['Q8_0', 'int8', q8ToRows],
  ['Q4_0', 'int4', q4ToRows],
] as const)('%s blocks of any content are %s rows of the same values', (name, type, toRows) => {
  const kind = blockTypeNamed(name);
  const blocks = randomBlocks(kind.bytes);
  const values = new Float32Array(ROWS * COLUMNS);
  kind.expand(Buffer.from(blocks), values);
  const rows = toRows(blocks, COLUMNS);
  expect(unpackRows(rows, COLUMNS, type)).toEqual(values);
  if (type === 'int8') expect(rowsToQ8(rows, COLUMNS)).toEqual(blocks);
});

test('rows of a pack become Q8_0 of the same values, scales below the normal ones of f16 too', () => {
  const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(i) * 10 ** -(i % 8));
  const rows = packRows(values, COLUMNS, 'int8');
  const kind = blockTypeNamed('Q8_0');
  const read = new Float32Array(ROWS * COLUMNS);
  kind.expand(Buffer.from(rowsToQ8(rows, COLUMNS)), read);
  expect(read).toEqual(unpackRows(rows, COLUMNS, 'int8'));
});
