/**
 * ggml's storage types and how their blocks become f32. Layouts and formulas: ggml-common.h (block_q4_0, ...) and
 * ggml-quants.c (dequantize_row_*). Every multiplication is rounded to f32 where ggml's is.
 */
import type { F32 } from '../tensors/float.ts';
import { widen } from '../tensors/float.ts';

export interface BlockType {
  name: string;
  /** Elements and bytes of a block. */
  elements: number;
  bytes: number;
  /** `source` holds whole blocks; `out` has room for their elements. */
  expand(source: Buffer, out: F32): void;
}

const { fround } = Math;

/** f16 at a byte offset, as a number. */
function half(source: Buffer, at: number): number {
  const bits = source.readUInt16LE(at);
  const sign = bits >>> 15 === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A type whose blocks are independent: `one` writes the elements of the block at `from` to out[to ...]. */
function blocks(
  name: string,
  elements: number,
  bytes: number,
  one: (source: Buffer, from: number, out: F32, to: number) => void,
): BlockType {
  return {
    name,
    elements,
    bytes,
    expand(source, out) {
      const count = source.length / bytes;
      for (let i = 0; i < count; i += 1) one(source, i * bytes, out, i * elements);
    },
  };
}

function plain(name: string, bytes: number, type: 'f32' | 'bf16' | 'f16'): BlockType {
  return { name, elements: 1, bytes, expand: (source, out) => out.set(widen(source, type)) };
}

const q4_0 = blocks('Q4_0', 32, 18, (source, from, out, to) => {
  const d = half(source, from);
  for (let i = 0; i < 16; i += 1) {
    const byte = source[from + 2 + i] ?? 0;
    out[to + i] = d * ((byte & 15) - 8);
    out[to + 16 + i] = d * ((byte >>> 4) - 8);
  }
});

const q4_1 = blocks('Q4_1', 32, 20, (source, from, out, to) => {
  const d = half(source, from);
  const m = half(source, from + 2);
  for (let i = 0; i < 16; i += 1) {
    const byte = source[from + 4 + i] ?? 0;
    out[to + i] = fround(d * (byte & 15)) + m;
    out[to + 16 + i] = fround(d * (byte >>> 4)) + m;
  }
});

const q5_0 = blocks('Q5_0', 32, 22, (source, from, out, to) => {
  const d = half(source, from);
  const high = source.readUInt32LE(from + 2);
  for (let i = 0; i < 16; i += 1) {
    const byte = source[from + 6 + i] ?? 0;
    out[to + i] = d * (((byte & 15) | (((high >>> i) & 1) << 4)) - 16);
    out[to + 16 + i] = d * (((byte >>> 4) | (((high >>> (i + 16)) & 1) << 4)) - 16);
  }
});

const q5_1 = blocks('Q5_1', 32, 24, (source, from, out, to) => {
  const d = half(source, from);
  const m = half(source, from + 2);
  const high = source.readUInt32LE(from + 4);
  for (let i = 0; i < 16; i += 1) {
    const byte = source[from + 8 + i] ?? 0;
    out[to + i] = fround(d * ((byte & 15) | (((high >>> i) & 1) << 4))) + m;
    out[to + 16 + i] = fround(d * ((byte >>> 4) | (((high >>> (i + 16)) & 1) << 4))) + m;
  }
});

const q8_0 = blocks('Q8_0', 32, 34, (source, from, out, to) => {
  const d = half(source, from);
  for (let i = 0; i < 32; i += 1) out[to + i] = d * source.readInt8(from + 2 + i);
});

/** The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K (get_scale_min_k4). */
function scaleAndMin(source: Buffer, at: number, j: number): { scale: number; min: number } {
  const byte = (i: number) => source[at + i] ?? 0;
  if (j < 4) return { scale: byte(j) & 63, min: byte(j + 4) & 63 };
  return {
    scale: (byte(j + 4) & 15) | ((byte(j - 4) >>> 6) << 4),
    min: (byte(j + 4) >>> 4) | ((byte(j) >>> 6) << 4),
  };
}

/** Q4_K and Q5_K: 8 sub-blocks of 32; `highAt` is where Q5_K has its fifth bits. */
function kBlock(source: Buffer, from: number, out: F32, to: number, highAt: number, lowAt: number): void {
  const d = half(source, from);
  const dmin = half(source, from + 2);
  for (let j = 0; j < 8; j += 1) {
    const { scale, min } = scaleAndMin(source, from + 4, j);
    const step = fround(d * scale);
    const base = fround(dmin * min);
    for (let i = 0; i < 32; i += 1) {
      const byte = source[from + lowAt + (j >>> 1) * 32 + i] ?? 0;
      const low = (j & 1) === 0 ? byte & 15 : byte >>> 4;
      const high = highAt === 0 ? 0 : (((source[from + highAt + i] ?? 0) >>> j) & 1) << 4;
      out[to + j * 32 + i] = fround(step * (low | high)) - base;
    }
  }
}

const q4_k = blocks('Q4_K', 256, 144, (source, from, out, to) => kBlock(source, from, out, to, 0, 16));
const q5_k = blocks('Q5_K', 256, 176, (source, from, out, to) => kBlock(source, from, out, to, 16, 48));

const q6_k = blocks('Q6_K', 256, 210, (source, from, out, to) => {
  const d = half(source, from + 208);
  for (let n = 0; n < 256; n += 1) {
    const side = n >>> 7; // which half of the block
    const quarter = (n >>> 5) & 3;
    const l = n & 31;
    const lowByte = source[from + side * 64 + (quarter & 1) * 32 + l] ?? 0;
    const low = quarter < 2 ? lowByte & 15 : lowByte >>> 4;
    const high = ((source[from + 128 + side * 32 + l] ?? 0) >>> (2 * quarter)) & 3;
    const scale = source.readInt8(from + 192 + (n >>> 4));
    out[to + n] = fround(d * scale) * ((low | (high << 4)) - 32);
  }
});

/** By ggml_type. */
const TYPES = new Map<number, BlockType>([
  [0, plain('F32', 4, 'f32')],
  [1, plain('F16', 2, 'f16')],
  [2, q4_0],
  [3, q4_1],
  [6, q5_0],
  [7, q5_1],
  [8, q8_0],
  [12, q4_k],
  [13, q5_k],
  [14, q6_k],
  [30, plain('BF16', 2, 'bf16')],
]);
const BY_NAME = new Map([...TYPES.values()].map((type) => [type.name, type]));

export function blockTypeOf(ggmlType: number): BlockType | undefined {
  return TYPES.get(ggmlType);
}

export function blockTypeNamed(name: string): BlockType {
  const type = BY_NAME.get(name);
  if (type === undefined) throw new RangeError(`no storage type ${name}`);
  return type;
}
