/**
 * ggml's blocks of 32 small integers: values quantised to Q8_0, and Q8_0 and Q4_0 from and to rows as packs store them
 * (tensors/blocks.ts), which hold the same integers and scales in another order.
 */
import { blockRowBytes } from '../tensors/blocks.ts';
import { type F32, narrow, widen } from '../tensors/float.ts';

const BLOCK = 32;
/** block_q8_0: a scale (f16), then 32 int8. */
export const Q8_0 = { elements: BLOCK, bytes: 34 } as const;
/** block_q4_0: a scale (f16), then 16 bytes, value i in the low nibble of byte i, value i + 16 in the high one. */
const Q4_0 = { elements: BLOCK, bytes: 18 } as const;

const { fround } = Math;

/** A block can't hold this value, or the scale that it would need. */
export class Q8RangeError extends Error {
  readonly value: number;

  constructor(value: number) {
    super(`${value} does not fit into Q8_0`);
    this.value = value;
  }
}

/**
 * Whole blocks as Q8_0, byte for byte as ggml-quants.c, quantize_row_q8_0_ref: d = max / 127, q = roundf(x (1 / d)) with
 * halves away from zero, all in f32; d is rounded to f16 only where it is stored. @throws Q8RangeError
 */
export function quantizeQ8(values: F32): Uint8Array {
  const blocks = values.length / BLOCK;
  const scales = new Float32Array(blocks);
  const out = new Uint8Array(blocks * Q8_0.bytes);
  for (let block = 0; block < blocks; block += 1) {
    const begin = block * BLOCK;
    let most = 0;
    for (let i = begin; i < begin + BLOCK; i += 1) {
      const magnitude = Math.abs(values[i] as number);
      if (!(magnitude <= 3.5e38)) throw new Q8RangeError(values[i] as number);
      if (magnitude > most) most = magnitude;
    }
    const d = fround(most / 127);
    const inverse = d === 0 ? 0 : fround(1 / d);
    scales[block] = d;
    const place = block * Q8_0.bytes + 2;
    for (let i = 0; i < BLOCK; i += 1) {
      const scaled = fround((values[begin + i] as number) * inverse);
      const q = Math.floor(Math.abs(scaled) + 0.5);
      out[place + i] = scaled < 0 ? -q : q;
    }
  }
  const stored = narrow(scales, 'f16');
  for (const [block, scale] of widen(stored, 'f16').entries()) {
    if (!Number.isFinite(scale)) throw new Q8RangeError((scales[block] as number) * 127);
    out.set(stored.subarray(2 * block, 2 * block + 2), block * Q8_0.bytes);
  }
  return out;
}

/** Rows of a pack's int8 matrix as Q8_0. `columns`: a multiple of 32. */
export function rowsToQ8(rows: Uint8Array, columns: number): Uint8Array {
  const stride = blockRowBytes('int8', columns);
  const blocks = columns / BLOCK;
  const count = rows.length / stride;
  const out = new Uint8Array(count * blocks * Q8_0.bytes);
  for (let row = 0, to = 0; row < count; row += 1)
    for (let block = 0; block < blocks; block += 1, to += Q8_0.bytes) {
      const [values, scale] = [row * stride + block * BLOCK, row * stride + columns + 2 * block];
      out.set(rows.subarray(scale, scale + 2), to);
      out.set(rows.subarray(values, values + BLOCK), to + 2);
    }
  return out;
}

/** Whole rows of Q8_0 as a pack's int8 stores them. */
export function q8ToRows(bytes: Uint8Array, columns: number): Uint8Array {
  return toRows(bytes, columns, 'int8', Q8_0.bytes, (block, out, to) => out.set(block, to));
}

/** Whole rows of Q4_0 as a pack's int4 stores them: neighbours share a byte there. */
export function q4ToRows(bytes: Uint8Array, columns: number): Uint8Array {
  return toRows(bytes, columns, 'int4', Q4_0.bytes, (block, out, to) => {
    for (let i = 0; i < BLOCK / 2; i += 1) {
      const shift = i < BLOCK / 4 ? 0 : 4;
      const at = (2 * i) % (BLOCK / 2);
      const [low = 0, high = 0] = [block[at], block[at + 1]];
      out[to + i] = ((low >> shift) & 15) | (((high >> shift) & 15) << 4);
    }
  });
}

function toRows(
  bytes: Uint8Array,
  columns: number,
  type: 'int8' | 'int4',
  blockBytes: number,
  place: (block: Uint8Array, out: Uint8Array, to: number) => void,
): Uint8Array {
  const stride = blockRowBytes(type, columns);
  const blocks = columns / BLOCK;
  const rows = bytes.length / (blocks * blockBytes);
  const out = new Uint8Array(rows * stride);
  const valueBytes = blockBytes - 2;
  for (let row = 0, from = 0; row < rows; row += 1)
    for (let block = 0; block < blocks; block += 1, from += blockBytes) {
      place(bytes.subarray(from + 2, from + blockBytes), out, row * stride + block * valueBytes);
      out.set(bytes.subarray(from, from + 2), row * stride + blocks * valueBytes + 2 * block);
    }
  return out;
}
