/**
 * Block-wise storage of a matrix (proto/mft/v1/model.proto, DTYPE_I8_BLOCK32 and DTYPE_I4_BLOCK32), row by row: the values of
 * all blocks of 32, then a scale (f16) for each block, then zero bytes up to a multiple of 4. value = scale * q.
 *
 * int8: scale = f16(f32(largest magnitude / 127)), q = x / scale, rounded to nearest, ties to even, held to [-127, 127].
 * int4: scale = f16(m / -8) where m is the value of largest magnitude (the first of several), so that m itself is q = -8;
 * q = x / scale, rounded to nearest, ties to even, held to [-8, 7]; stored as q + 8.
 * These are the scales of GGUF's Q8_0 and Q4_0. q is rounded against the scale as it is stored, not as it was before it
 * became f16, which is a little closer. A product scale * q has at most 19 bits: it is exact in f32.
 */
import { type F32, narrow, widen } from './float.ts';

export type BlockType = 'int8' | 'int4';

export const BLOCK = 32;
const BLOCK_BYTES: Record<BlockType, number> = { int8: 32, int4: 16 };
/** x + ROUND - ROUND rounds a double below 2^51 to a whole number, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Bytes of a row of `columns` values. */
export function blockRowBytes(type: BlockType, columns: number): number {
  const blocks = Math.ceil(columns / BLOCK);
  return Math.ceil((blocks * (BLOCK_BYTES[type] + 2)) / 4) * 4;
}

/** What a row can not hold: not a number, infinite, or so large that its scale is no finite f16. */
export class BlockRangeError extends Error {
  readonly value: number;

  constructor(value: number) {
    super(`${value} does not fit into a block`);
    this.value = value;
  }
}

/** The bytes of whole rows. @throws BlockRangeError. */
export function packRows(values: F32, columns: number, type: BlockType): Uint8Array {
  const rows = values.length / columns;
  const blocks = Math.ceil(columns / BLOCK);
  const stride = blockRowBytes(type, columns);
  const out = new Uint8Array(rows * stride);
  const signed = new Int8Array(out.buffer);
  const scales = scalesOf(values, columns, type);
  const stored = narrow(scales, 'f16');
  const exact = widen(stored, 'f16');
  for (let row = 0; row < rows; row += 1) {
    const place = row * stride;
    for (let block = 0; block < blocks; block += 1) {
      const scale = exact[row * blocks + block] ?? 0;
      if (!Number.isFinite(scale)) throw new BlockRangeError(scales[row * blocks + block] ?? 0);
      const begin = row * columns + block * BLOCK;
      const end = Math.min(begin + BLOCK, (row + 1) * columns);
      if (type === 'int8') packInt8(values, begin, end, scale, signed, place + block * 32);
      else packInt4(values, begin, end, scale, out, place + block * 16);
    }
    out.set(stored.subarray(row * blocks * 2, (row + 1) * blocks * 2), place + blocks * BLOCK_BYTES[type]);
  }
  return out;
}

/** The scale of each block, before it is rounded to f16. */
function scalesOf(values: F32, columns: number, type: BlockType): F32 {
  const blocks = Math.ceil(columns / BLOCK);
  const rows = values.length / columns;
  const scales = new Float32Array(rows * blocks);
  let at = 0;
  for (let row = 0; row < rows; row += 1)
    for (let begin = row * columns; begin < (row + 1) * columns; begin += BLOCK) {
      const end = Math.min(begin + BLOCK, (row + 1) * columns);
      let most = 0;
      let extreme = 0;
      for (let i = begin; i < end; i += 1) {
        const value = values[i] as number;
        const magnitude = Math.abs(value);
        if (!(magnitude <= 3.5e38)) throw new BlockRangeError(value);
        if (magnitude > most) {
          most = magnitude;
          extreme = value;
        }
      }
      scales[at] = type === 'int8' ? most / 127 : extreme / -8;
      at += 1;
    }
  return scales;
}

function packInt8(
  values: F32,
  begin: number,
  end: number,
  scale: number,
  out: Int8Array,
  place: number,
): void {
  if (scale === 0) return; // so small that f16 knows it as zero
  for (let i = begin; i < end; i += 1) {
    const q = (values[i] as number) / scale + ROUND - ROUND;
    out[place + i - begin] = q > 127 ? 127 : q < -127 ? -127 : q;
  }
}

function packInt4(
  values: F32,
  begin: number,
  end: number,
  scale: number,
  out: Uint8Array,
  place: number,
): void {
  for (let i = begin; i < end; i += 2) {
    const low = nibble(values[i] as number, scale);
    // Values beyond the row are zero bytes, so half of one byte may be.
    const high = i + 1 < end ? nibble(values[i + 1] as number, scale) : 0;
    out[place + ((i - begin) >> 1)] = low | (high << 4);
  }
}

function nibble(value: number, scale: number): number {
  if (scale === 0) return 8;
  const q = value / scale + ROUND - ROUND + 8;
  return q > 15 ? 15 : q < 0 ? 0 : q;
}

/** The values of whole rows. */
export function unpackRows(bytes: Uint8Array, columns: number, type: BlockType): F32 {
  const stride = blockRowBytes(type, columns);
  const rows = bytes.length / stride;
  const blocks = Math.ceil(columns / BLOCK);
  const valueBytes = blocks * BLOCK_BYTES[type];
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    const line = bytes.subarray(row * stride, (row + 1) * stride);
    const scales = widen(line.subarray(valueBytes, valueBytes + 2 * blocks), 'f16');
    const place = row * columns;
    for (let i = 0; i < columns; i += 1) {
      const q =
        type === 'int8'
          ? ((line[i] as number) << 24) >> 24
          : (((line[i >> 1] as number) >> ((i & 1) << 2)) & 15) - 8;
      out[place + i] = (scales[i >> 5] as number) * q;
    }
  }
  return out;
}
